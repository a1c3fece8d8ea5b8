-- The parked tasks $1 take their slots and become ready, in the place they had. The caller has locked their limits.
WITH gone AS (
  DELETE FROM taskyard.parked WHERE task_id = ANY ($1::bigint[]) RETURNING *
),
held AS (
  INSERT INTO taskyard.slot (key, task_id)
  SELECT s.key, s.task_id FROM gone JOIN taskyard.task_slot s USING (task_id) ON CONFLICT DO NOTHING
),
entered AS (
  INSERT INTO taskyard.ready (task_id, ord, lane_id, attempt, failures, losses, keyed)
  SELECT task_id, ord, lane_id, attempt, failures, losses, true FROM gone
),
lowered AS (
  UPDATE taskyard.lane l SET floor = g.ord FROM (SELECT lane_id, min(ord) AS ord FROM gone GROUP BY lane_id) g
  WHERE l.id = g.lane_id AND l.floor > g.ord
)
SELECT count(*) FROM gone
