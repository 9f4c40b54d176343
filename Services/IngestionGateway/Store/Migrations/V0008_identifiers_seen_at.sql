-- When the identifier came last, to a partition of the log: so often it is marked, not for each payment. Infinity where a record names it, which
-- is kept for good. Nobody knows of what is here when; retention begins to count now.
ALTER TABLE identifiers ADD COLUMN seen_at timestamptz NOT NULL DEFAULT now();

-- A record holds its tokens as text.
UPDATE identifiers SET seen_at = 'infinity' WHERE token IN (
    SELECT (regexp_matches(encode(message, 'escape'), '[ac]\.[A-Za-z0-9_-]{22}', 'g'))[1] FROM records WHERE kind IN ('customer', 'complaint')
);
