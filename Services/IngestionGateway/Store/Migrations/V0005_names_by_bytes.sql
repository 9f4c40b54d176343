-- Names are compared by their bytes, not by a language's rules: each look into their index then takes less, what lies between two names is
-- the same everywhere, and no new version of the language's rules spoils the index. Their indexes are built anew.
DROP VIEW transactions;
ALTER TABLE event_log
    ALTER COLUMN bank_id TYPE text COLLATE "C",
    ALTER COLUMN bank_transaction_id TYPE text COLLATE "C";

-- One row a stored transaction, for whoever counts or looks: the log holds other records too.
CREATE VIEW transactions AS
SELECT bank_id, bank_transaction_id AS transaction_id, recorded_at FROM event_log WHERE bank_transaction_id IS NOT NULL;
