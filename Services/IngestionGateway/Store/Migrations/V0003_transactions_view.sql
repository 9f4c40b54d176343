-- One row a stored transaction, for whoever counts or looks: the log holds other records too.
CREATE VIEW transactions AS
SELECT bank_id, bank_transaction_id AS transaction_id, recorded_at FROM event_log WHERE bank_transaction_id IS NOT NULL;
