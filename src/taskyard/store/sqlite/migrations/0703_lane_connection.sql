-- Tasks go over the connection of their own version, and keep to its limits: those of different ones stand in different
-- lanes. Of what waits already the current version is taken to say it.
CREATE TABLE former_lane AS SELECT * FROM lane;
DROP TABLE lane;
CREATE TABLE lane (
  id INTEGER PRIMARY KEY, queue INTEGER NOT NULL, home INTEGER NOT NULL, definition TEXT NOT NULL,
  priority INTEGER NOT NULL, solo INTEGER NOT NULL, target TEXT NOT NULL DEFAULT '',
  connection TEXT NOT NULL DEFAULT '', UNIQUE (queue, home, definition, priority, solo, target, connection));
INSERT INTO lane (id, queue, home, definition, priority, solo, target)
SELECT id, queue, home, definition, priority, solo, target FROM former_lane;
DROP TABLE former_lane;
UPDATE lane SET connection = json_extract(CAST(k.spec AS TEXT), '$.implementation.connectionId')
FROM definition d JOIN kind k ON k.id = d.kind_id
WHERE d.key = lane.definition AND json_extract(CAST(k.spec AS TEXT), '$.implementation.kind') = 'integration';
