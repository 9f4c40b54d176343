-- What the ingestion gateway's log says of complaints, cash machines, movements of money and areas, for the forecasts. One consumer
-- writes, under the lock of its position, so `number` grows in the order of the commits.

CREATE TABLE complaints (
    number bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    reporter_id text NOT NULL,
    complaint_id text NOT NULL,
    crime_type text NOT NULL,
    occurred_at timestamptz NOT NULL,
    reported_at timestamptz NOT NULL,
    latitude double precision,
    longitude double precision,
    complaint bytea NOT NULL,
    PRIMARY KEY (reporter_id, complaint_id)
);
CREATE INDEX complaints_by_crime ON complaints (crime_type, occurred_at);

CREATE TABLE atms (
    number bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    terminal_id text PRIMARY KEY,
    latitude double precision NOT NULL,
    longitude double precision NOT NULL
);

-- Withdrawals at cash machines, and transfers between accounts.
CREATE TABLE movements (
    number bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    bank_id text NOT NULL,
    transaction_id text NOT NULL,
    event_time timestamptz NOT NULL,
    account_id text NOT NULL,
    atm_id text,
    counterparty_account_id text,
    amount double precision NOT NULL,
    PRIMARY KEY (bank_id, transaction_id),
    CHECK ((atm_id IS NULL) <> (counterparty_account_id IS NULL))
);
CREATE INDEX movements_by_time ON movements (event_time);

CREATE TABLE jurisdictions (
    jurisdiction_id text PRIMARY KEY,
    jurisdiction bytea NOT NULL
);
