-- Several accounts, sessions that can be listed and ended, tokens, and an audit that tells values.

-- A session gets a number that lists may show: it opens nothing.
ALTER TABLE session RENAME TO session_before;

CREATE TABLE session (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    -- Only the hash of a session's identifier is kept: a copied file opens no session.
    id_hash BLOB NOT NULL UNIQUE CHECK (length(id_hash) = 32),
    account_id INTEGER NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    -- Written at most once in some minutes.
    last_used_at INTEGER NOT NULL,
    address TEXT NOT NULL,
    agent TEXT NOT NULL
) STRICT;

INSERT INTO session (id_hash, account_id, created_at, expires_at, last_used_at, address, agent)
SELECT id_hash, account_id, created_at, expires_at, created_at, '', '' FROM session_before;

DROP TABLE session_before;

CREATE INDEX session_account ON session (account_id);
CREATE INDEX session_expiry ON session (expires_at);

-- Bearer tokens of the API. The token itself has 256 bits, so its plain hash cannot be turned back.
CREATE TABLE token (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    account_id INTEGER NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    hash BLOB NOT NULL UNIQUE CHECK (length(hash) = 32),
    role TEXT NOT NULL CHECK (role IN ('admin', 'editor', 'viewer')),
    -- A list of resource kinds; NULL: all.
    kinds TEXT CHECK (kinds IS NULL OR json_valid(kinds)),
    created_at INTEGER NOT NULL,
    -- NULL: never.
    expires_at INTEGER,
    last_used_at INTEGER,
    last_address TEXT,
    UNIQUE (account_id, name)
) STRICT;

-- How the actor was known: session, basic, token NAME, or the machine itself.
ALTER TABLE audit ADD COLUMN via TEXT;
-- What an entry changed, where no version tells it. JSON.
ALTER TABLE audit ADD COLUMN old_value TEXT CHECK (old_value IS NULL OR json_valid(old_value));
ALTER TABLE audit ADD COLUMN new_value TEXT CHECK (new_value IS NULL OR json_valid(new_value));

CREATE INDEX audit_at ON audit (at);
CREATE INDEX audit_actor ON audit (actor, id);
CREATE INDEX audit_object ON audit (kind, name, id);

-- What a resource was before a version.
CREATE INDEX change_object ON change (kind, name, version);
