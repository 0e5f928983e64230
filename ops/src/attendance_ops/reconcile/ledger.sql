-- One file of a look: what each place holds, by organisation and id. Instants are microseconds since 1970.

CREATE TABLE accepted (org TEXT NOT NULL, id BLOB NOT NULL, at INTEGER NOT NULL);
CREATE TABLE image (org TEXT NOT NULL, id BLOB NOT NULL, at INTEGER NOT NULL);
-- Objects under our prefixes whose keys name nothing.
CREATE TABLE stranger (key TEXT NOT NULL, at INTEGER NOT NULL);
-- The log, one row for a record.
CREATE TABLE event (
    org TEXT NOT NULL, id BLOB NOT NULL, kind TEXT NOT NULL, at INTEGER NOT NULL, occurred_at INTEGER NOT NULL,
    digest INTEGER NOT NULL, device TEXT, sequence INTEGER, image_key TEXT, attempts INTEGER NOT NULL,
    is_projected INTEGER NOT NULL, is_recognised INTEGER NOT NULL
);
CREATE TABLE decision (
    org TEXT NOT NULL, id BLOB NOT NULL, at INTEGER NOT NULL, is_dead INTEGER NOT NULL, is_projected INTEGER NOT NULL
);
-- What was accepted and is on no topic, as its object tells. is_expired: the topic keeps it no longer. problem: why it
-- cannot be read.
CREATE TABLE unpublished (
    org TEXT NOT NULL, id BLOB NOT NULL, at INTEGER NOT NULL, kind TEXT, occurred_at INTEGER, device TEXT,
    sequence INTEGER, image_key TEXT, is_expired INTEGER NOT NULL, problem TEXT
);
-- What the tables say. fate: 1 waits for recognition, 2 is decided, refused, counts, or is kept no longer.
CREATE TABLE shown (org TEXT NOT NULL, id BLOB NOT NULL, fate INTEGER NOT NULL);
CREATE TABLE report (org TEXT NOT NULL, device TEXT NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL);
-- What was asked for once more, by its key, and is not in the object store. place: accepted or image.
CREATE TABLE absent (place TEXT NOT NULL, org TEXT NOT NULL, id BLOB NOT NULL);
CREATE TABLE finding (
    name TEXT NOT NULL, org TEXT NOT NULL, id BLOB, kind TEXT, at INTEGER, detail TEXT, attempts INTEGER NOT NULL DEFAULT 0
);
