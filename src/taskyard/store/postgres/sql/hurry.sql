-- The delayed or retrying task $2 may run now.
WITH clock AS MATERIALIZED (SELECT @now AS us),
gone AS (
  DELETE FROM taskyard.sched WHERE task_id = $2::bigint RETURNING *
),
entering AS MATERIALIZED (
  SELECT gone.*, us AS ord, (SELECT min(s.key) FROM taskyard.task_slot s WHERE s.task_id = gone.task_id) AS key
  FROM gone, clock
),
now_ready AS (
  INSERT INTO taskyard.ready (task_id, ord, lane_id, attempt, failures, losses)
  SELECT task_id, ord, lane_id, attempt, failures, losses FROM entering WHERE key IS NULL
),
now_parked AS (
  INSERT INTO taskyard.parked (task_id, ord, lane_id, attempt, failures, losses, key)
  SELECT task_id, ord, lane_id, attempt, failures, losses, key FROM entering WHERE key IS NOT NULL
)
SELECT key FROM entering
