-- The log holds the observations itself, so that each is written once.
ALTER TABLE event_log RENAME TO event_log_before;
ALTER INDEX event_log_pkey RENAME TO event_log_before_pkey;
CREATE SEQUENCE event_log_numbers;
SELECT setval('event_log_numbers', coalesce(max(sequence), 0) + 1) FROM event_log_before;

-- The store's own log: everything that its memory is made of, in the order in which it was applied.
-- Read in the order (transaction_id, sequence), and only below the oldest transaction still running.
CREATE TABLE event_log (
    transaction_id xid8 NOT NULL DEFAULT pg_current_xact_id(),
    sequence bigint NOT NULL DEFAULT nextval('event_log_numbers'),
    recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    payload bytea NOT NULL,
    -- Of observations only: which transaction, so that it is observed once, and when it happened.
    bank_id text,
    bank_transaction_id text,
    event_time timestamptz,
    PRIMARY KEY (transaction_id, sequence)
);

-- An entry of an observation is its message as field 1: built again here to find the entry of each transaction.
CREATE FUNCTION varint_of(number int) RETURNS bytea IMMUTABLE LANGUAGE sql AS $$
    SELECT CASE
        WHEN number < 128 THEN set_byte('\x00', 0, number)
        WHEN number < 16384 THEN set_byte(set_byte('\x0000', 0, number & 127 | 128), 1, number >> 7)
        ELSE set_byte(set_byte(set_byte('\x000000', 0, number & 127 | 128), 1, number >> 7 & 127 | 128), 2, number >> 14)
    END $$;
INSERT INTO event_log (transaction_id, sequence, recorded_at, payload, bank_id, bank_transaction_id, event_time)
SELECT e.transaction_id, e.sequence, e.recorded_at, e.payload, o.bank_id, o.transaction_id, o.event_time
FROM event_log_before e
LEFT JOIN observations o ON sha256(e.payload) = sha256('\x0a' || varint_of(length(o.observation)) || o.observation)
ORDER BY e.transaction_id, e.sequence;
DROP TABLE event_log_before;
DROP FUNCTION varint_of;
DROP TABLE observations;

CREATE UNIQUE INDEX observations_by_key ON event_log (bank_id, bank_transaction_id) WHERE bank_id IS NOT NULL;
CREATE INDEX observations_by_event_time ON event_log (event_time) WHERE bank_id IS NOT NULL;

-- What the features of the training set look like, for drift: the deciles of each, and the share in each of the bins between.
CREATE TABLE feature_references (
    feature_set_version text NOT NULL,
    feature text NOT NULL,
    from_time timestamptz,
    to_time timestamptz,
    observations bigint NOT NULL,
    null_rate double precision NOT NULL,
    edges double precision[] NOT NULL,
    shares double precision[] NOT NULL,
    PRIMARY KEY (feature_set_version, feature)
);
