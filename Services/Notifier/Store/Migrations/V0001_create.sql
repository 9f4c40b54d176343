-- Where the reading of the model server's log has come to.
CREATE TABLE log_positions (
    consumer text PRIMARY KEY,
    transaction_id xid8 NOT NULL,
    sequence bigint NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- 'listed' alerts are shown and not sent: they were old news when they came, or nobody is to be told.
CREATE TYPE alert_state AS ENUM ('pending', 'delivered', 'listed', 'failed', 'acknowledged');

CREATE TABLE alerts (
    alert_id text PRIMARY KEY,
    sequence bigint GENERATED ALWAYS AS IDENTITY,
    state alert_state NOT NULL,
    raised_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    delivered_at timestamptz,
    acknowledged_at timestamptz,
    acknowledged_by text,
    subject text NOT NULL,
    body text NOT NULL,
    risk_score double precision NOT NULL,
    latitude double precision,
    longitude double precision,
    event_time timestamptz
);
CREATE UNIQUE INDEX alerts_newest ON alerts (sequence);
CREATE INDEX alerts_newest_of_state ON alerts (state, sequence);

CREATE TYPE delivery_state AS ENUM ('pending', 'sent', 'failed');

-- The outbox: one row for each alert, channel and recipient, written with the alert.
CREATE TABLE deliveries (
    delivery_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    alert_id text NOT NULL REFERENCES alerts (alert_id),
    channel text NOT NULL,
    recipient text NOT NULL,
    state delivery_state NOT NULL DEFAULT 'pending',
    attempts integer NOT NULL DEFAULT 0,
    -- Not to be tried before: moved on by a claim (the lease) and by a failure (the back-off).
    due_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    attempted_at timestamptz,
    finished_at timestamptz,
    last_error text,
    UNIQUE (alert_id, channel, recipient)
);
CREATE INDEX deliveries_pending ON deliveries (delivery_id) WHERE state = 'pending';
CREATE INDEX deliveries_attempted ON deliveries (attempted_at);

-- Its only row is locked by whoever claims, so that replicas count the rate together.
CREATE TABLE claim_turn (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row)
);
INSERT INTO claim_turn DEFAULT VALUES;
