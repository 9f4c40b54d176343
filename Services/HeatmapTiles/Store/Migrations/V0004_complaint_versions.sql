-- Complaints are kept with all their versions, so that a corrected one is counted in the place of the one before it, and also without a
-- place. What was counted of them until now is counted anew from the log, read from its beginning.
DELETE FROM late WHERE kind IN (SELECT kind FROM kinds WHERE signal = 'complaint');
DELETE FROM cells WHERE kind IN (SELECT kind FROM kinds WHERE signal = 'complaint');
DELETE FROM log_positions WHERE consumer = 'records';

DROP TABLE complaints;

CREATE TABLE complaints (
    reporter_id text NOT NULL,
    complaint_id text NOT NULL,
    -- Where in the log this version stands.
    transaction_id xid8 NOT NULL,
    sequence bigint NOT NULL,
    is_newest boolean NOT NULL,
    crime_type text NOT NULL,
    occurred_at timestamptz NOT NULL,
    reported_at timestamptz NOT NULL,
    latitude double precision,
    longitude double precision,
    amount_minor_units bigint,
    currency text NOT NULL,
    district text NOT NULL,
    PRIMARY KEY (reporter_id, complaint_id, transaction_id, sequence)
);

CREATE INDEX complaints_newest ON complaints (reported_at DESC, transaction_id DESC, sequence DESC) WHERE is_newest;
