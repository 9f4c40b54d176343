-- The store's own log: everything that its memory is made of, in the order in which it was applied.
-- Read in the order (transaction_id, sequence), and only below the oldest transaction still running.
CREATE TABLE event_log (
    transaction_id xid8 NOT NULL DEFAULT pg_current_xact_id(),
    sequence bigint GENERATED ALWAYS AS IDENTITY,
    recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    payload bytea NOT NULL,
    PRIMARY KEY (transaction_id, sequence)
);

-- Where the reading of others' logs has come to.
CREATE TABLE log_positions (
    consumer text PRIMARY KEY,
    transaction_id xid8 NOT NULL,
    sequence bigint NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- A transaction observed, so that it is observed once, with its features as they were then.
CREATE TABLE observations (
    bank_id text NOT NULL,
    transaction_id text NOT NULL,
    event_time timestamptz NOT NULL,
    observation bytea NOT NULL,
    PRIMARY KEY (bank_id, transaction_id)
);
CREATE INDEX observations_by_event_time ON observations (event_time, bank_id, transaction_id);

-- What became known of it later; the newest label stands.
CREATE TABLE labels (
    bank_id text NOT NULL,
    transaction_id text NOT NULL,
    is_fraud boolean NOT NULL,
    known_at timestamptz NOT NULL,
    source text NOT NULL,
    PRIMARY KEY (bank_id, transaction_id)
);
