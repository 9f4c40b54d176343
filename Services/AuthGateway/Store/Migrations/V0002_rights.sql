-- When the rights that the principal has now came into force: at the last change of what it may, of its secret, or of whether it is disabled.
-- A token issued before is void. 'epoch' where nothing has changed since the principal was first named.
ALTER TABLE principals ADD COLUMN rights_since timestamptz NOT NULL DEFAULT 'epoch';
