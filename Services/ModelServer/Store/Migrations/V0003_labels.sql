-- What became known of transactions, by which the models are judged; the latest word counts.
CREATE TABLE labels (
    bank_id text NOT NULL,
    transaction_id text NOT NULL,
    is_fraud boolean NOT NULL,
    known_at timestamptz NOT NULL,
    PRIMARY KEY (bank_id, transaction_id)
);
CREATE INDEX genuine_labels ON labels (is_fraud) WHERE NOT is_fraud;

CREATE INDEX decisions_by_model ON decisions (model_version, decided_at);
