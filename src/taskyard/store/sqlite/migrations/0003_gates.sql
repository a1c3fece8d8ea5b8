-- Gates: a rate's bucket is when it was last taken from and when it will be full again.
CREATE TABLE gate (name TEXT PRIMARY KEY, taken_at INTEGER NOT NULL, full_at INTEGER NOT NULL) WITHOUT ROWID;

-- What counts against a ceiling: all under lease, without the parents that wait for a subtask, or they would wait for
-- ever.
CREATE VIEW busy AS
SELECT l.home, c.task_id
FROM claim c JOIN lane l ON l.id = c.lane_id
WHERE NOT c.revoked AND NOT EXISTS (
  SELECT 1 FROM task child WHERE child.parent_id = c.task_id AND (
    EXISTS (SELECT 1 FROM ready WHERE task_id = child.id) OR EXISTS (SELECT 1 FROM sched WHERE task_id = child.id)
    OR EXISTS (SELECT 1 FROM parked WHERE task_id = child.id) OR EXISTS (SELECT 1 FROM claim WHERE task_id = child.id)
    OR EXISTS (SELECT 1 FROM open WHERE task_id = child.id)));
