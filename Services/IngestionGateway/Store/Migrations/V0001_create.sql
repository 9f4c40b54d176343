-- What the gateway has accepted, for all who follow.
-- Read in the order (transaction_id, sequence), and only below the oldest transaction still running.
CREATE TABLE event_log (
    transaction_id xid8 NOT NULL DEFAULT pg_current_xact_id(),
    sequence bigint GENERATED ALWAYS AS IDENTITY,
    recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    payload bytea NOT NULL,
    PRIMARY KEY (transaction_id, sequence)
);

-- A transaction as it was accepted; people's identifiers in it are keyed tokens.
CREATE TABLE transactions (
    bank_id text NOT NULL,
    transaction_id text NOT NULL,
    event_time timestamptz NOT NULL,
    received_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    message bytea NOT NULL,
    PRIMARY KEY (bank_id, transaction_id)
);

CREATE TYPE record_kind AS ENUM ('label', 'complaint', 'terminal', 'customer', 'jurisdiction', 'context_signal');

-- Everything else that is sent; the newest content under a name stands.
CREATE TABLE records (
    kind record_kind NOT NULL,
    sender_id text NOT NULL,
    record_id text NOT NULL,
    received_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    message bytea NOT NULL,
    PRIMARY KEY (kind, sender_id, record_id)
);
