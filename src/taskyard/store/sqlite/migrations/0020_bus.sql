-- How far those have come that read the feed for others.
CREATE TABLE reader (name TEXT PRIMARY KEY, pos INTEGER NOT NULL) WITHOUT ROWID;

-- Events that are kept until somebody or something decides about them, each as it came or goes.
CREATE TABLE letter (
  id INTEGER PRIMARY KEY, direction TEXT NOT NULL, event_id TEXT NOT NULL, status TEXT NOT NULL, at INTEGER NOT NULL,
  key TEXT NOT NULL, reason TEXT NOT NULL, tries INTEGER NOT NULL, body BLOB NOT NULL, facts BLOB NOT NULL,
  UNIQUE (direction, event_id));
CREATE INDEX letter_status ON letter (status, id);

-- Events that were taken and have left no task by which that could be told.
CREATE TABLE seen (key BLOB PRIMARY KEY, at INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE mapping (id TEXT PRIMARY KEY, spec BLOB NOT NULL) WITHOUT ROWID;

-- A row while there is maintenance. A queue is then paused whatever was `asked` for it.
CREATE TABLE maintenance (id INTEGER PRIMARY KEY CHECK (id = 1), who TEXT NOT NULL, since INTEGER NOT NULL);
ALTER TABLE queue ADD COLUMN asked INTEGER NOT NULL DEFAULT 0;
UPDATE queue SET asked = paused;
