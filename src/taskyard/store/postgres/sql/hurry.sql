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
  INSERT INTO taskyard.parked (task_id, ord, turn, lane_id, attempt, failures, losses, key, fairness_key)
  SELECT e.task_id, e.ord, e.ord - (@head_starts)[l.priority], e.lane_id, e.attempt, e.failures, e.losses, e.key,
    s.fairness_key
  FROM entering e JOIN taskyard.lane l ON l.id = e.lane_id CROSS JOIN LATERAL (
    SELECT fairness_key FROM taskyard.task_slot WHERE task_id = e.task_id AND key = e.key OFFSET 0) s
)
SELECT key FROM entering
