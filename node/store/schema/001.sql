-- Times are nanoseconds since 1970, NULL for the zero time. Unsigned numbers
-- are eight octets, most significant first, so that they sort. Addresses are
-- canonical text, LOCAL@DOMAIN. Signed objects are as received.

CREATE TABLE contacts (
    person TEXT NOT NULL PRIMARY KEY,
    name   TEXT NOT NULL,
    folded TEXT NOT NULL UNIQUE, -- name without case
    added  INTEGER,
    card   BLOB,
    hint   BLOB
) STRICT;

CREATE TABLE watchers (
    person  TEXT NOT NULL PRIMARY KEY,
    id      BLOB NOT NULL CHECK (length(id) = 16),
    state   INTEGER NOT NULL,
    event   TEXT NOT NULL,
    since   INTEGER,
    expires INTEGER,
    card    BLOB,
    note    TEXT NOT NULL
) STRICT;

CREATE TABLE watches (
    person    TEXT NOT NULL PRIMARY KEY,
    id        BLOB NOT NULL CHECK (length(id) = 16),
    state     INTEGER NOT NULL,
    reason    TEXT NOT NULL,
    expires   INTEGER,
    epoch     BLOB,
    serial    BLOB NOT NULL CHECK (length(serial) = 8),
    confirmed INTEGER
) STRICT;

CREATE TABLE publications (
    person   TEXT NOT NULL,
    device   BLOB NOT NULL CHECK (length(device) = 20),
    audience BLOB NOT NULL CHECK (length(audience) = 16),
    boot     BLOB NOT NULL CHECK (length(boot) = 8),
    seq      BLOB NOT NULL CHECK (length(seq) = 8),
    signed   BLOB,
    heard    INTEGER,
    PRIMARY KEY (person, device, audience)
) STRICT;

CREATE TABLE messages (
    id           INTEGER PRIMARY KEY AUTOINCREMENT, -- a cursor: never used twice
    out          INTEGER NOT NULL CHECK (out IN (0, 1)),
    person       TEXT NOT NULL,
    message_id   TEXT NOT NULL,
    sent         INTEGER,
    stored       INTEGER,
    signed       BLOB,
    digest       BLOB NOT NULL CHECK (length(digest) = 32),
    content_type TEXT NOT NULL,
    text         TEXT NOT NULL,
    status       INTEGER NOT NULL CHECK (out = (status <> 1)),
    reason       TEXT NOT NULL,
    tries        INTEGER NOT NULL,
    next         INTEGER,
    deadline     INTEGER,
    settled      INTEGER,
    read         INTEGER NOT NULL CHECK (read IN (0, 1))
) STRICT;

CREATE INDEX messages_person ON messages (person, id);
CREATE INDEX messages_queued ON messages (id) WHERE status = 2;
CREATE INDEX messages_unread ON messages (id) WHERE out = 0 AND read = 0;

-- Outlives the messages it speaks of: what was deleted is not delivered again.
CREATE TABLE duplicates (
    person     TEXT NOT NULL,
    message_id TEXT NOT NULL,
    digest     BLOB NOT NULL CHECK (length(digest) = 32),
    PRIMARY KEY (person, message_id)
) STRICT, WITHOUT ROWID;

CREATE VIRTUAL TABLE words USING fts5 (
    text, content = 'messages', content_rowid = 'id', tokenize = 'unicode61 remove_diacritics 2'
);

CREATE TRIGGER messages_added AFTER INSERT ON messages WHEN new.text <> '' BEGIN
    INSERT INTO words (rowid, text) VALUES (new.id, new.text);
END;

CREATE TRIGGER messages_deleted AFTER DELETE ON messages WHEN old.text <> '' BEGIN
    INSERT INTO words (words, rowid, text) VALUES ('delete', old.id, old.text);
END;

CREATE TRIGGER messages_text BEFORE UPDATE OF text ON messages BEGIN
    SELECT RAISE(ABORT, 'the text of a message does not change');
END;

CREATE TABLE counters (
    name  TEXT NOT NULL PRIMARY KEY,
    value BLOB NOT NULL CHECK (length(value) = 8)
) STRICT, WITHOUT ROWID;

CREATE TABLE settings (
    name  TEXT NOT NULL PRIMARY KEY,
    value BLOB NOT NULL CHECK (length(value) <= 65536)
) STRICT;
