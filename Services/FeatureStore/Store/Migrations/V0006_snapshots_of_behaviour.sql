-- What it is a snapshot of: the features' memory, or the behaviour of entities.
ALTER TABLE snapshots ADD COLUMN memory text NOT NULL DEFAULT 'features';
ALTER TABLE snapshot_chunks ADD COLUMN memory text NOT NULL DEFAULT 'features';
