-- What is due becomes ready, or parked where it falls under a limit; the limits, and how many tasks.
WITH clock AS MATERIALIZED (SELECT @now AS us),
due AS MATERIALIZED (
  SELECT ctid AS tid FROM taskyard.sched WHERE run_at <= (SELECT us FROM clock)
  ORDER BY run_at LIMIT $2::int FOR UPDATE SKIP LOCKED
),
gone AS (
  DELETE FROM taskyard.sched WHERE ctid = ANY (ARRAY (SELECT tid FROM due)) RETURNING *
),
entering AS MATERIALIZED (
  SELECT gone.*, us + row_number() OVER (ORDER BY run_at, task_id) - 1 AS ord,
    (SELECT min(s.key) FROM taskyard.task_slot s WHERE s.task_id = gone.task_id) AS key
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
SELECT count(*) AS count, array_agg(DISTINCT key) FILTER (WHERE key IS NOT NULL) AS keys FROM entering
