-- Terminals, merchants and jurisdictions go by their names alone for all who follow the log: so each name is one row, under no sender, and
-- whose it is stands in the row. A terminal or merchant is the bank's that registered it first, or of no bank, as an operator's.
ALTER TABLE records ADD COLUMN owner_bank_id text;

-- Where several had sent one name, nobody here knows whose content the followers have: what is sent next is no duplicate.
WITH shared AS (
    DELETE FROM records WHERE kind::text IN ('terminal', 'merchant', 'jurisdiction') RETURNING *
)
INSERT INTO records (kind, sender_id, record_id, received_at, message, owner_bank_id)
SELECT kind, '', record_id, max(received_at), CASE count(*) WHEN 1 THEN (array_agg(message))[1] ELSE '' END,
    CASE kind::text WHEN 'jurisdiction' THEN NULL ELSE nullif((array_agg(sender_id ORDER BY received_at, sender_id))[1], 'operator') END
FROM shared GROUP BY kind, record_id;

-- Whose personal data it was done to, or at whose wish; null where no bank is meant.
ALTER TABLE privacy_records ADD COLUMN bank_id text;
