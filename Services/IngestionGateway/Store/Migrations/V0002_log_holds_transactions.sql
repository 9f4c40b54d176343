-- The log holds the transactions itself, so that each is written once, in partitions of 31 days that retention can drop.
-- A transaction's name is unique within its partition by an index; that it is not in the partition before is looked up by
-- whoever writes. So a name is taken for 31 to 62 days.
ALTER TABLE event_log RENAME TO event_log_before;
ALTER INDEX event_log_pkey RENAME TO event_log_before_pkey;

CREATE SEQUENCE event_log_numbers;
SELECT setval('event_log_numbers', coalesce(max(sequence), 0) + 1) FROM event_log_before;

-- Read in the order (transaction_id, sequence), and only below the oldest transaction still running.
CREATE TABLE event_log (
    transaction_id xid8 NOT NULL DEFAULT pg_current_xact_id(),
    sequence bigint NOT NULL DEFAULT nextval('event_log_numbers'),
    -- The transaction's start, so that all of a transaction lies in one partition.
    recorded_at timestamptz NOT NULL DEFAULT now(),
    payload bytea NOT NULL,
    -- Of transactions only.
    bank_id text,
    bank_transaction_id text
) PARTITION BY RANGE (recorded_at);
CREATE INDEX event_log_by_position ON event_log (transaction_id, sequence);

-- When the partition begins that a moment belongs to.
CREATE FUNCTION log_partition_start(moment timestamptz) RETURNS timestamptz STABLE LANGUAGE sql
    AS $$ SELECT date_bin('31 days', moment, timestamptz '1970-01-01 00:00:00+00') $$;

-- Makes the partition of a moment if there is none. Names tell the first day.
CREATE FUNCTION create_log_partition(moment timestamptz) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    start timestamptz := log_partition_start(moment);
    name text := 'event_log_' || to_char(start AT TIME ZONE 'UTC', 'YYYYMMDD');
BEGIN
    IF to_regclass(name) IS NULL THEN
        EXECUTE format(
            'CREATE TABLE %I PARTITION OF event_log FOR VALUES FROM (%L) TO (%L)', name, start, start + interval '744 hours');
        EXECUTE format('CREATE UNIQUE INDEX ON %I (bank_id, bank_transaction_id)', name);
    END IF;
END $$;

SELECT create_log_partition(moment)
FROM generate_series(
    (SELECT coalesce(min(recorded_at), now()) FROM event_log_before), now() + interval '62 days', interval '15 days') AS moment;

-- An entry of a transaction is its message as field 1, then the sender: built again here to find the entry of each name.
CREATE FUNCTION varint_of(number int) RETURNS bytea IMMUTABLE LANGUAGE sql AS $$
    SELECT CASE
        WHEN number < 128 THEN set_byte('\x00', 0, number)
        WHEN number < 16384 THEN set_byte(set_byte('\x0000', 0, number & 127 | 128), 1, number >> 7)
        ELSE set_byte(set_byte(set_byte('\x000000', 0, number & 127 | 128), 1, number >> 7 & 127 | 128), 2, number >> 14)
    END $$;
INSERT INTO event_log (transaction_id, sequence, recorded_at, payload, bank_id, bank_transaction_id)
SELECT e.transaction_id, e.sequence, e.recorded_at, e.payload, t.bank_id, t.transaction_id
FROM event_log_before e
LEFT JOIN transactions t ON sha256(e.payload) = sha256(
    '\x0a' || varint_of(length(t.message)) || t.message
    || '\x42' || varint_of(octet_length(t.bank_id)) || convert_to(t.bank_id, 'UTF8'))
ORDER BY e.transaction_id, e.sequence;
DROP TABLE event_log_before;
DROP FUNCTION varint_of;
DROP TABLE transactions;

-- Raw identifiers of people and their instruments, encrypted; everything else knows the tokens only.
CREATE TABLE identifiers (
    token text PRIMARY KEY,
    kind text NOT NULL,
    -- The token of the customer it was seen with; null for customers themselves and for counterparties.
    owner text,
    key_id text NOT NULL,
    -- AES-256-GCM: nonce, ciphertext, tag; the token is authenticated with it.
    sealed bytea NOT NULL,
    stored_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX identifiers_by_owner ON identifiers (owner) WHERE owner IS NOT NULL;
CREATE INDEX identifiers_by_key ON identifiers (key_id);

-- Of these nothing raw is kept again.
CREATE TABLE erased_tokens (
    token text PRIMARY KEY,
    erased_at timestamptz NOT NULL DEFAULT now()
);

-- What was done to personal data, by whom and why.
CREATE TABLE privacy_records (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT now(),
    action text NOT NULL,
    actor text NOT NULL,
    subject text NOT NULL,
    reason text NOT NULL,
    count bigint NOT NULL
);

-- Files that are sent in pieces, until their rows are stored.
CREATE TABLE files (
    sender_id text NOT NULL,
    content_sha256 bytea NOT NULL,
    size_bytes bigint NOT NULL,
    mapping text NOT NULL,
    name text NOT NULL,
    received_bytes bigint NOT NULL DEFAULT 0,
    -- The ImportFileResponse once every row has its outcome, or the file has been found unreadable.
    result bytea,
    started_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (sender_id, content_sha256)
);
CREATE TABLE file_chunks (
    sender_id text NOT NULL,
    content_sha256 bytea NOT NULL,
    offset_bytes bigint NOT NULL,
    chunk bytea NOT NULL,
    PRIMARY KEY (sender_id, content_sha256, offset_bytes),
    FOREIGN KEY (sender_id, content_sha256) REFERENCES files ON DELETE CASCADE
);
