-- Which payment of which bank an alert is about; empty for alerts from before this was kept.
ALTER TABLE alerts
    ADD COLUMN bank_id text NOT NULL DEFAULT '',
    ADD COLUMN transaction_id text NOT NULL DEFAULT '';
