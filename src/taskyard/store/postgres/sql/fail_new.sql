-- The task $2, which was to run later, FAILED before it began; $3 is the detail of its first attempt, $4 and $5 are the
-- types and steps of its events.
WITH clock AS MATERIALIZED (SELECT @now AS us),
gone AS (
  DELETE FROM taskyard.sched WHERE task_id = $2::bigint RETURNING task_id, lane_id, attempt, failures, losses
),
done AS (
  INSERT INTO taskyard.attempt (task_id, attempt, outcome, finished_at, detail)
  SELECT task_id, attempt, @outcome_failed, us, $3::bytea FROM gone, clock
),
buried AS (
  INSERT INTO taskyard.dead (task_id, at, kind_id, lane_id, attempt, failures, losses)
  SELECT task_id, us, (SELECT kind_id FROM taskyard.task WHERE id = $2), lane_id, attempt, failures, losses
  FROM gone, clock
)
INSERT INTO taskyard.outbox (at, type, task_ids, sequences)
SELECT us, e.type, ARRAY[task_id], ARRAY[attempt * @span + e.step]
FROM gone, clock, unnest($4::smallint[], $5::int[]) WITH ORDINALITY AS e (type, step, number) ORDER BY e.number
