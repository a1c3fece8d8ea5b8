-- The chain that shows whether the history of tasks was changed; it is kept for good.
CREATE TABLE audit (
  number INTEGER PRIMARY KEY, pos INTEGER NOT NULL, task_id INTEGER NOT NULL, sequence INTEGER NOT NULL,
  type INTEGER NOT NULL, at INTEGER NOT NULL, digest BLOB NOT NULL, chain BLOB NOT NULL);
