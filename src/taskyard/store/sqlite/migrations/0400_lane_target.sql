-- Tasks that ask for a place stand in lanes of their own, which only workers claim from that have it.
CREATE TABLE former_lane AS SELECT * FROM lane;
DROP TABLE lane;
CREATE TABLE lane (
  id INTEGER PRIMARY KEY, queue INTEGER NOT NULL, home INTEGER NOT NULL, definition TEXT NOT NULL,
  priority INTEGER NOT NULL, solo INTEGER NOT NULL, target TEXT NOT NULL DEFAULT '',
  UNIQUE (queue, home, definition, priority, solo, target));
INSERT INTO lane (id, queue, home, definition, priority, solo)
SELECT id, queue, home, definition, priority, solo FROM former_lane;
DROP TABLE former_lane;
