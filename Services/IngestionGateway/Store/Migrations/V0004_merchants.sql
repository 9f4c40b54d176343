-- Merchants are records too.
ALTER TYPE record_kind ADD VALUE 'merchant';
