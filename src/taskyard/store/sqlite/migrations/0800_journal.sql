-- What operators and programs did that no task's own trail records.
CREATE TABLE journal (
  id INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, who TEXT NOT NULL, action TEXT NOT NULL,
  facts BLOB NOT NULL);
CREATE INDEX journal_at ON journal (at);
