-- Who can get a token: machines by client credentials (RFC 6749, section 4.4), people (kind user) by their password.
CREATE TABLE principals (
    subject       text PRIMARY KEY,
    kind          text NOT NULL CHECK (kind IN ('service', 'bank', 'agency', 'user')),
    -- scrypt, in the PHC string form.
    secret_hash   text NOT NULL,
    bank_id       text,
    roles         text[] NOT NULL,
    scopes        text[] NOT NULL,
    jurisdictions text[] NOT NULL,
    -- Set when the principals file no longer names the principal; it then gets no token.
    disabled_at   timestamptz,
    updated_at    timestamptz NOT NULL DEFAULT now()
);

-- Keys that sign tokens. The newest that is not retired signs; all that are not retired are published.
CREATE TABLE signing_keys (
    key_id                text PRIMARY KEY,
    -- AES-256-GCM: nonce (12 bytes), ciphertext of the key's PEM, tag (16 bytes); the key id is authenticated with it.
    encrypted_private_key bytea NOT NULL,
    created_at            timestamptz NOT NULL DEFAULT now(),
    retired_at            timestamptz
);

-- Every call forwarded for an agency, or refused to it. Written before the answer goes out.
CREATE TABLE access_records (
    record_id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    accessed_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    subject       text NOT NULL,
    kind          text NOT NULL,
    token_id      text,
    method        text NOT NULL,
    -- What the caller said it was for; empty where it did not say.
    purpose       text NOT NULL,
    peer_address  text NOT NULL,
    -- The gRPC status by name.
    outcome       text NOT NULL
);
CREATE INDEX access_records_by_subject ON access_records (subject, record_id DESC);
