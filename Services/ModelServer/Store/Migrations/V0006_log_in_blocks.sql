-- A row of the log holds up to 128 decisions, in arrays: a row, its three index entries and their share of the write-ahead log for each
-- decision took more of the processor than to make it.
DROP VIEW decisions;
DROP INDEX decisions_by_name;

-- Of each decision the row of the log that holds it. A name is made of its transaction's, so this also tells which transactions have been
-- decided on, and lets none be decided on twice.
CREATE TABLE decided (decision_id uuid NOT NULL, sequence bigint NOT NULL);
INSERT INTO decided SELECT decision_id, sequence FROM event_log;
ALTER TABLE decided ADD PRIMARY KEY (decision_id);

-- What was written before becomes blocks of one decision, at the same positions.
ALTER TABLE event_log
    ALTER COLUMN payload TYPE bytea[] USING ARRAY[payload],
    ALTER COLUMN observation TYPE bytea[] USING ARRAY[observation],
    ALTER COLUMN decision_id TYPE uuid[] USING ARRAY[decision_id],
    ALTER COLUMN risk_score TYPE double precision[] USING ARRAY[risk_score],
    ALTER COLUMN is_alert TYPE boolean[] USING ARRAY[is_alert],
    -- The LoggedDecision says.
    DROP COLUMN bank_id,
    DROP COLUMN bank_transaction_id;
ALTER TABLE event_log RENAME COLUMN payload TO payloads;
ALTER TABLE event_log RENAME COLUMN observation TO observations;
ALTER TABLE event_log RENAME COLUMN decision_id TO decision_ids;
ALTER TABLE event_log RENAME COLUMN risk_score TO risk_scores;
ALTER TABLE event_log RENAME COLUMN is_alert TO are_alerts;

-- The decisions of a row are numbered from its sequence on.
ALTER SEQUENCE event_log_numbers INCREMENT BY 128 CACHE 1;
CREATE UNIQUE INDEX event_log_by_sequence ON event_log (sequence);
-- Entries of one block are much alike: a quarter of the bytes is left of them, and to write the others costs more than to find that out.
-- A server without this method compresses by its own, which takes longer.
DO $$
BEGIN
    ALTER TABLE event_log
        ALTER COLUMN payloads SET COMPRESSION lz4,
        ALTER COLUMN observations SET COMPRESSION lz4,
        ALTER COLUMN risk_scores SET COMPRESSION lz4;
EXCEPTION WHEN feature_not_supported THEN NULL;
END
$$;
-- Names are hashes.
ALTER TABLE event_log ALTER COLUMN decision_ids SET STORAGE EXTERNAL;

-- What a decision on a transaction goes by.
CREATE FUNCTION decision_id_of(bank_id text, transaction_id text) RETURNS uuid IMMUTABLE LANGUAGE sql AS $$
    SELECT encode(substr(sha256(convert_to(bank_id, 'UTF8') || '\x00' || convert_to(transaction_id, 'UTF8')), 1, 16), 'hex')::uuid
$$;

-- One row a decision, for whoever counts or looks.
CREATE VIEW decisions AS
SELECT made.decision_id, model_version, made.risk_score, made.is_alert, decided_at
FROM event_log CROSS JOIN LATERAL unnest(decision_ids, risk_scores, are_alerts) AS made (decision_id, risk_score, is_alert);
