-- Each word about a transaction is kept, so that what was known by a time can be told after it was corrected.
ALTER TABLE labels DROP CONSTRAINT labels_pkey;
ALTER TABLE labels ADD PRIMARY KEY (bank_id, transaction_id, known_at);
