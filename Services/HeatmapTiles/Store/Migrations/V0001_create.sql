-- The map's own state: enough to rebuild all that is in memory.

CREATE TABLE log_positions (
    consumer text PRIMARY KEY,
    transaction_id xid8 NOT NULL,
    sequence bigint NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- What the cube tells apart: a signal (transaction, fraud, alert, complaint) and its type (channel or crime type).
CREATE TABLE kinds (
    kind integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    signal text NOT NULL,
    type text NOT NULL,
    UNIQUE (signal, type)
);

-- Events counted by cell (the quadkey at zoom 17 as a number), kind and hour (since 1970, UTC).
CREATE TABLE cells (
    cell bigint NOT NULL,
    kind integer NOT NULL REFERENCES kinds,
    hour integer NOT NULL,
    count bigint NOT NULL,
    risk_sum double precision NOT NULL,
    PRIMARY KEY (cell, kind, hour)
) WITH (fillfactor = 80);

-- The same for terminals whose place is not known yet.
CREATE TABLE unplaced (
    terminal_id text NOT NULL,
    kind integer NOT NULL REFERENCES kinds,
    hour integer NOT NULL,
    count bigint NOT NULL,
    risk_sum double precision NOT NULL,
    PRIMARY KEY (terminal_id, kind, hour)
);

CREATE TABLE sites (
    terminal_id text PRIMARY KEY,
    sort text NOT NULL,
    latitude double precision NOT NULL,
    longitude double precision NOT NULL,
    cell bigint NOT NULL,
    institution text NOT NULL
);

-- Jurisdictions; the outline is a GeoJSON feature collection, and null where what was registered is no polygon.
CREATE TABLE areas (
    area_id text PRIMARY KEY,
    name text NOT NULL,
    outline text
);

-- The newest decisions above the alert threshold.
CREATE TABLE alerts (
    decision_id text PRIMARY KEY,
    event_time timestamptz NOT NULL,
    decided_at timestamptz NOT NULL,
    latitude double precision,
    longitude double precision,
    terminal_id text NOT NULL,
    channel text NOT NULL,
    amount_minor_units bigint,
    currency text NOT NULL,
    risk double precision NOT NULL,
    reasons text NOT NULL
);

CREATE INDEX alerts_decided_at ON alerts (decided_at DESC);
