-- What was decided, for those who alert, draw and answer banks.
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

CREATE TYPE model_stage AS ENUM ('challenger', 'champion', 'retired');

-- The registry. A bundle is kept for as long as one of its decisions may be replayed.
CREATE TABLE models (
    version text PRIMARY KEY,
    stage model_stage NOT NULL DEFAULT 'challenger',
    feature_set_version text NOT NULL,
    trained_at timestamptz NOT NULL,
    registered_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    promoted_at timestamptz,
    alert_threshold double precision NOT NULL,
    metrics jsonb NOT NULL
);
CREATE UNIQUE INDEX one_champion ON models (stage) WHERE stage = 'champion';

-- The files of a model's bundle, as its author made them.
CREATE TABLE model_files (
    version text NOT NULL REFERENCES models (version),
    name text NOT NULL,
    content bytea NOT NULL,
    PRIMARY KEY (version, name)
);

-- One decision a transaction, with all that is needed to make it again.
CREATE TABLE decisions (
    bank_id text NOT NULL,
    transaction_id text NOT NULL,
    decision_id text NOT NULL UNIQUE,
    model_version text NOT NULL REFERENCES models (version),
    risk_score double precision NOT NULL,
    is_alert boolean NOT NULL,
    decided_at timestamptz NOT NULL,
    observation bytea NOT NULL,
    decision bytea NOT NULL,
    PRIMARY KEY (bank_id, transaction_id)
);
