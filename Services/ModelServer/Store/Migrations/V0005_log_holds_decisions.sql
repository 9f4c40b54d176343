-- The log holds the decisions itself, so that each is written once, and found by one index: its name is made of its transaction's, so that
-- it tells also whether a transaction has been decided on.
DROP INDEX decisions_by_model;
ALTER TABLE decisions RENAME TO decisions_before;
ALTER INDEX decisions_pkey RENAME TO decisions_before_pkey;
ALTER TABLE event_log RENAME TO event_log_before;
ALTER INDEX event_log_pkey RENAME TO event_log_before_pkey;

CREATE SEQUENCE event_log_numbers CACHE 1000;
SELECT setval('event_log_numbers', coalesce(max(sequence), 0) + 1) FROM event_log_before;

-- Read in the order (transaction_id, sequence), and only below the oldest transaction still running.
CREATE TABLE event_log (
    transaction_id xid8 NOT NULL DEFAULT pg_current_xact_id(),
    sequence bigint NOT NULL DEFAULT nextval('event_log_numbers'),
    recorded_at timestamptz NOT NULL DEFAULT now(),
    -- The LoggedDecision.
    payload bytea NOT NULL,
    decision_id uuid NOT NULL,
    bank_id text NOT NULL,
    bank_transaction_id text NOT NULL,
    -- Of `models`, where nothing is ever deleted: to look there for each decision would cost more than to write it.
    model_version text NOT NULL,
    risk_score double precision NOT NULL,
    is_alert boolean NOT NULL,
    decided_at timestamptz NOT NULL,
    -- What it was made from.
    observation bytea NOT NULL,
    PRIMARY KEY (transaction_id, sequence)
);

-- An entry begins with its decision as field 3: the key, the length in seven bits a byte, the decision.
INSERT INTO event_log
SELECT e.transaction_id, e.sequence, e.recorded_at, e.payload, d.decision_id::uuid, d.bank_id, d.transaction_id, d.model_version,
    d.risk_score, d.is_alert, d.decided_at, d.observation
FROM event_log_before e
JOIN decisions_before d ON sha256(d.decision) = sha256(CASE
    WHEN get_byte(e.payload, 1) < 128 THEN substr(e.payload, 3, get_byte(e.payload, 1))
    WHEN get_byte(e.payload, 2) < 128 THEN substr(e.payload, 4, (get_byte(e.payload, 1) & 127) + (get_byte(e.payload, 2) << 7))
    ELSE substr(e.payload, 5,
        (get_byte(e.payload, 1) & 127) + ((get_byte(e.payload, 2) & 127) << 7) + (get_byte(e.payload, 3) << 14))
    END)
ORDER BY e.transaction_id, e.sequence;

-- Nothing is dropped below that is not kept here.
DO $$
DECLARE
    before bigint := (SELECT count(*) FROM decisions_before);
    kept bigint := (SELECT count(*) FROM event_log);
BEGIN
    IF kept <> before THEN
        RAISE EXCEPTION 'of % decisions % have their entry in the log', before, kept;
    END IF;
END
$$;

CREATE UNIQUE INDEX decisions_by_name ON event_log (decision_id);
CREATE INDEX decisions_by_time ON event_log (decided_at);

ALTER TABLE shadow_scores ADD COLUMN decision_id uuid;
UPDATE shadow_scores s SET decision_id = d.decision_id::uuid FROM decisions_before d
WHERE d.bank_id = s.bank_id AND d.transaction_id = s.transaction_id;
ALTER TABLE shadow_scores ALTER COLUMN decision_id SET NOT NULL;

DROP TABLE decisions_before;
DROP TABLE event_log_before;

-- One row a decision, for whoever counts or looks.
CREATE VIEW decisions AS
SELECT bank_id, bank_transaction_id AS transaction_id, decision_id, model_version, risk_score, is_alert, decided_at, observation, payload
FROM event_log;
