-- Filters of tasks under names, one's own and those that were shared.
CREATE TABLE view (
  id INTEGER PRIMARY KEY AUTOINCREMENT, owner TEXT NOT NULL, name TEXT NOT NULL, filter TEXT NOT NULL,
  shared INTEGER NOT NULL, UNIQUE (owner, name));
CREATE INDEX view_shared ON view (id) WHERE shared = 1;
