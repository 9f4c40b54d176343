-- Customers that an identifier was seen with beside the one in identifiers.owner: later ones, and the first where it came without any. Most
-- identifiers have one owner, and no row here.
CREATE TABLE further_owners (
    owner text NOT NULL,
    token text NOT NULL,
    PRIMARY KEY (owner, token)
);
