-- What became known in a later hour than it happened in: the part of `cells` to take away for the map as it was known before.
CREATE TABLE late (
    known_hour integer NOT NULL,
    cell bigint NOT NULL,
    kind integer NOT NULL REFERENCES kinds,
    hour integer NOT NULL,
    count bigint NOT NULL,
    risk_sum double precision NOT NULL,
    PRIMARY KEY (known_hour, cell, kind, hour)
);

-- The newest complaints, without the accounts they name.
CREATE TABLE complaints (
    reporter_id text NOT NULL,
    complaint_id text NOT NULL,
    crime_type text NOT NULL,
    occurred_at timestamptz NOT NULL,
    reported_at timestamptz NOT NULL,
    latitude double precision NOT NULL,
    longitude double precision NOT NULL,
    amount_minor_units bigint,
    currency text NOT NULL,
    district text NOT NULL,
    PRIMARY KEY (reporter_id, complaint_id)
);

CREATE INDEX complaints_reported_at ON complaints (reported_at DESC);
