-- Everything that the control plane keeps. Times are Unix milliseconds; bodies are the JSON of the console's models.

-- One row: what this folder is.
CREATE TABLE installation (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    -- The line of versions that workers compare; a new one is minted when the file may be a copy.
    history BLOB NOT NULL CHECK (length(history) = 16),
    -- Which key seals the secrets.
    sealing_key_id TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;

-- One row a save that changed something. Numbers grow and are never used again.
CREATE TABLE version (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    history BLOB NOT NULL CHECK (length(history) = 16),
    created_at INTEGER NOT NULL,
    author TEXT NOT NULL,
    summary TEXT NOT NULL
) STRICT;

-- Private keys and credentials, sealed. A row never changes: a new value is a new row, so that old versions keep theirs.
CREATE TABLE secret (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    field TEXT NOT NULL,
    sealed BLOB NOT NULL
) STRICT;

-- The current configuration. The id is the order of creation.
CREATE TABLE resource (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    version INTEGER NOT NULL REFERENCES version (number),
    body TEXT NOT NULL CHECK (json_valid(body)),
    secret_id INTEGER REFERENCES secret (id),
    UNIQUE (kind, name)
) STRICT;

CREATE INDEX resource_secret ON resource (secret_id) WHERE secret_id IS NOT NULL;

-- What each version changed, with the value from then on (NULL: gone).
CREATE TABLE change (
    version INTEGER NOT NULL REFERENCES version (number),
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    resource_id INTEGER NOT NULL,
    action TEXT NOT NULL CHECK (action IN ('create', 'update', 'delete')),
    body TEXT CHECK (body IS NULL OR json_valid(body)),
    secret_id INTEGER REFERENCES secret (id),
    PRIMARY KEY (version, kind, name),
    CHECK ((action = 'delete') = (body IS NULL))
) STRICT, WITHOUT ROWID;

CREATE INDEX change_secret ON change (secret_id) WHERE secret_id IS NOT NULL;

-- Who did what, when, from where.
CREATE TABLE audit (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    actor TEXT NOT NULL,
    address TEXT NOT NULL,
    action TEXT NOT NULL,
    kind TEXT,
    name TEXT,
    version INTEGER REFERENCES version (number),
    detail TEXT
) STRICT;

CREATE TABLE account (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    display_name TEXT NOT NULL,
    avatar_url TEXT,
    role TEXT NOT NULL CHECK (role IN ('admin', 'editor', 'viewer')),
    -- scrypt, with its parameters and salt.
    password_hash TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    password_changed_at INTEGER NOT NULL
) STRICT;

-- Only the hash of a session's identifier is kept: a copied file opens no session.
CREATE TABLE session (
    id_hash BLOB PRIMARY KEY CHECK (length(id_hash) = 32),
    account_id INTEGER NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX session_account ON session (account_id);
CREATE INDEX session_expiry ON session (expires_at);

-- What /system/config tells beyond the defaults. Values are JSON.
CREATE TABLE setting (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL CHECK (json_valid(value))
) STRICT, WITHOUT ROWID;
