-- Who keeps a slice of the key space; empty where one store keeps everything. Every write of a replica looks here first, under a lock that
-- whoever changes this waits for: so a process of an earlier ring, or an earlier one of the same name, writes nothing more.
CREATE TABLE replicas (
    name text PRIMARY KEY,
    ring_generation bigint NOT NULL,
    -- Raised at each start.
    incarnation bigint NOT NULL
);

-- Of a customer's half of an observation, until the terminal's replica has made it whole; not unique, because another version of the
-- features writes its own.
ALTER TABLE event_log ADD COLUMN partial_bank_id text, ADD COLUMN partial_transaction_id text;
CREATE INDEX partial_observations_by_key ON event_log (partial_bank_id, partial_transaction_id) WHERE partial_bank_id IS NOT NULL;

-- Whose memory it is; empty where one store keeps everything.
ALTER TABLE snapshots ADD COLUMN replica text NOT NULL DEFAULT '';
ALTER TABLE snapshot_chunks ADD COLUMN replica text NOT NULL DEFAULT '';
