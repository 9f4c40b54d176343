-- A shadow scores along without deciding, so that it can be judged on what it would have said before it is promoted.
ALTER TYPE model_stage ADD VALUE 'shadow' AFTER 'challenger';

CREATE TABLE shadow_scores (
    model_version text NOT NULL REFERENCES models (version),
    bank_id text NOT NULL,
    transaction_id text NOT NULL,
    risk_score double precision NOT NULL,
    decided_at timestamptz NOT NULL,
    PRIMARY KEY (model_version, bank_id, transaction_id)
);
CREATE INDEX shadow_scores_by_time ON shadow_scores (model_version, decided_at);
