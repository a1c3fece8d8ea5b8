-- What people are told about their tasks, and how they want to be told.
CREATE TABLE notice (
  id INTEGER PRIMARY KEY, person TEXT NOT NULL, task_id INTEGER NOT NULL, kind TEXT NOT NULL, at INTEGER NOT NULL,
  body BLOB NOT NULL, read_at INTEGER, digest_at INTEGER);
CREATE INDEX notice_person ON notice (person, id);
CREATE INDEX notice_unread ON notice (person, id) WHERE read_at IS NULL;
CREATE INDEX notice_digest ON notice (person, id) WHERE digest_at IS NOT NULL;
CREATE TABLE preference (person TEXT PRIMARY KEY, spec BLOB NOT NULL) WITHOUT ROWID;
-- The events that people are told of: assigned, delegated, overdue, reminder, escalated, resolved.
CREATE INDEX feed_told ON feed (pos) WHERE type IN (7, 12, 15, 16, 17, 40);
