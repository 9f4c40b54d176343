-- Memory as it was after an entry of the log, so that a start reads only the entries behind it. Chunks come first, each in a transaction of
-- its own: one long transaction would hold back every reader of the log. The row here makes them a snapshot, and names the position.
CREATE TABLE snapshots (
    snapshot bigint PRIMARY KEY,
    format int NOT NULL,
    feature_set_version text NOT NULL,
    transaction_id xid8 NOT NULL,
    sequence bigint NOT NULL,
    chunks int NOT NULL,
    taken_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE SEQUENCE snapshot_numbers OWNED BY snapshots.snapshot;

CREATE TABLE snapshot_chunks (
    snapshot bigint NOT NULL,
    chunk int NOT NULL,
    payload bytea NOT NULL,
    PRIMARY KEY (snapshot, chunk)
);
-- Dense already: compressing it again would only cost.
ALTER TABLE snapshot_chunks ALTER COLUMN payload SET STORAGE EXTERNAL;
