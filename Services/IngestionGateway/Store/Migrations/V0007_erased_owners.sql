-- The erased customer that it was seen with: no counterparty's identifier is kept again either then, but another customer's is. Null where
-- it is what was to be erased itself: of that nothing is kept again, whoever it is seen with.
ALTER TABLE erased_tokens ADD COLUMN owner text;

-- Whose else an identifier is.
CREATE INDEX further_owners_by_token ON further_owners (token);
