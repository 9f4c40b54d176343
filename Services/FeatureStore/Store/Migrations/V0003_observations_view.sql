-- One row an observed transaction, for whoever counts or looks: the log holds other records too.
CREATE VIEW observations AS
SELECT bank_id, bank_transaction_id AS transaction_id, event_time, recorded_at FROM event_log WHERE bank_id IS NOT NULL;
