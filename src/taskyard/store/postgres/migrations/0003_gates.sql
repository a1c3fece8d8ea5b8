-- Gates: who claims from lanes that have any holds their rows meanwhile. A rate's bucket is when it was last taken from
-- and when it will be full again. A ceiling has nothing but its row: what is under lease is counted anew each time.
CREATE TABLE taskyard.gate (
  name text COLLATE "C" PRIMARY KEY, taken_at bigint NOT NULL DEFAULT 0, full_at bigint NOT NULL DEFAULT 0)
  WITH (fillfactor = 50);

-- What counts against a ceiling: all under lease, without the parents that wait for a subtask, or they would wait for
-- ever. Scalar subqueries stay look-ups, where EXISTS might be made joins over all there is.
CREATE VIEW taskyard.busy AS
SELECT l.home, r.task_id
FROM taskyard.running r JOIN taskyard.lane l ON l.id = r.lane_id
WHERE (
  SELECT 1 FROM taskyard.task child
  WHERE child.parent_id = r.task_id AND child.id > r.task_id
    AND (SELECT 1 FROM taskyard.attempt WHERE task_id = child.id AND outcome IN (1, 4, 6) LIMIT 1) IS NULL
    AND (SELECT 1 FROM taskyard.dead WHERE task_id = child.id) IS NULL
  LIMIT 1) IS NULL;
