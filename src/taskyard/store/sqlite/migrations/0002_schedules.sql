-- Schedules: what their authors wrote, and how far each has come. `due_at` is null where nothing is to be decided.
CREATE TABLE schedule (
  id TEXT PRIMARY KEY, revision INTEGER NOT NULL, due_at INTEGER, spec BLOB NOT NULL, progress BLOB NOT NULL) WITHOUT ROWID;
CREATE INDEX schedule_due ON schedule (due_at, id) WHERE due_at IS NOT NULL;
