-- Further devices of the same person: the log of what they must learn of,
-- their own table, invitations with a token, and the keys of contacts. Keys,
-- tokens and devices are NULL for none.

ALTER TABLE contacts ADD COLUMN domain BLOB CHECK (length(domain) = 32);
ALTER TABLE contacts ADD COLUMN account BLOB CHECK (length(account) = 32);
ALTER TABLE contacts ADD COLUMN new_domain BLOB CHECK (length(new_domain) = 32);
ALTER TABLE contacts ADD COLUMN new_account BLOB CHECK (length(new_account) = 32);
ALTER TABLE contacts ADD COLUMN verified INTEGER;
ALTER TABLE contacts ADD COLUMN verified_key BLOB CHECK (length(verified_key) = 32);
ALTER TABLE contacts ADD COLUMN token BLOB CHECK (length(token) = 16);
ALTER TABLE contacts ADD COLUMN approval BLOB CHECK (length(approval) = 16);

ALTER TABLE messages ADD COLUMN device BLOB CHECK (length(device) = 20); -- NULL: written on this one
CREATE INDEX messages_key ON messages (person, message_id, out);
DROP INDEX messages_queued;
CREATE INDEX messages_queued ON messages (id) WHERE status = 2 AND device IS NULL;

-- When the row was written; for rows of before, when their message was.
ALTER TABLE duplicates ADD COLUMN seen INTEGER;
UPDATE duplicates SET seen = coalesce(
    (SELECT max(stored) FROM messages
        WHERE messages.person = duplicates.person AND messages.message_id = duplicates.message_id AND out = 0),
    (SELECT max(stored) FROM messages));

CREATE TABLE devices (
    id      BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 20),
    name    TEXT NOT NULL,
    card    BLOB NOT NULL,
    scopes  INTEGER NOT NULL,
    account INTEGER NOT NULL CHECK (account IN (0, 1)),
    added   INTEGER,
    revoked INTEGER,
    seen    INTEGER,
    cursor  BLOB NOT NULL CHECK (length(cursor) = 8)
) STRICT;

CREATE TABLE invites (
    hash      BLOB NOT NULL PRIMARY KEY CHECK (length(hash) = 32), -- SHA-256 of the token
    audience  TEXT NOT NULL,
    note      TEXT NOT NULL,
    made      INTEGER,
    expires   INTEGER,
    once      INTEGER NOT NULL CHECK (once IN (0, 1)),
    revoked   INTEGER NOT NULL CHECK (revoked IN (0, 1)),
    used      INTEGER NOT NULL,
    last_used INTEGER,
    used_by   TEXT
) STRICT;

-- One row for each thing, with its newest change. Kinds are node.ChangeKind.
CREATE TABLE changes (
    seq     INTEGER PRIMARY KEY AUTOINCREMENT,
    kind    INTEGER NOT NULL,
    key     TEXT NOT NULL,
    stamp   INTEGER NOT NULL, -- milliseconds since 1970
    deleted INTEGER NOT NULL CHECK (deleted IN (0, 1)),
    UNIQUE (kind, key)
) STRICT;

-- All that is there already. A message that is there twice has one key.
INSERT INTO changes (kind, key, stamp, deleted)
    SELECT 1, person, coalesce(added, 0) / 1000000, 0 FROM contacts ORDER BY added, person;
INSERT INTO changes (kind, key, stamp, deleted)
    SELECT 2, person, coalesce(since, 0) / 1000000, 0 FROM watchers ORDER BY since, person;
INSERT INTO changes (kind, key, stamp, deleted)
    SELECT 3, person, coalesce(confirmed, 0) / 1000000, 0 FROM watches ORDER BY person;
INSERT INTO changes (kind, key, stamp, deleted)
    SELECT 7, name, 0, 0 FROM settings WHERE name IN ('status', 'epoch contacts') ORDER BY name;
INSERT OR REPLACE INTO changes (kind, key, stamp, deleted)
    SELECT 4, iif(out, 'out ', 'in ') || person || ' ' || message_id, coalesce(settled, stored, 0) / 1000000, 0
    FROM messages ORDER BY id;
