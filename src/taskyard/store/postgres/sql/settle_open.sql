-- The task $2, open at the version $3, ends or retries with the outcome $4: an attempt of its own, which began when
-- it was opened. $12 and $13 are the types and steps of its events, $14 is the key of the event that brought the
-- answer, $15 who ended it; $16 to $23 whose it becomes where it is handed over instead.
WITH clock AS MATERIALIZED (SELECT @now AS us),
gone AS (
  DELETE FROM taskyard.open WHERE task_id = $2::bigint AND (attempt + 1) * @span + @line + changes = $3::bigint
  RETURNING task_id, at, coalesce($11::int, lane_id) AS lane_id, lane_id AS old_lane_id, attempt + 1 AS attempt,
    greatest(failures, $9::int) AS failures, greatest(losses, $10::smallint) AS losses, claimed_at, due_at,
    CASE assignee_type WHEN 'GROUP' THEN assignee_id END AS group_id
),
done AS (
  INSERT INTO taskyard.attempt (task_id, attempt, outcome, started_at, finished_at, run_ms, result, detail)
  SELECT task_id, attempt, $4::smallint, at, us, coalesce($5::bigint, (us - at) / 1000), $6::bytea, $7::bytea
  FROM gone, clock
),
again AS (
  INSERT INTO taskyard.sched (task_id, run_at, lane_id, attempt, failures, losses, retry)
  SELECT task_id, us + coalesce($8::bigint, 0), lane_id, attempt + 1, failures, losses, true
  FROM gone, clock WHERE $4 = @outcome_retry
),
buried AS (
  INSERT INTO taskyard.dead (task_id, at, kind_id, lane_id, attempt, failures, losses)
  SELECT task_id, us, (SELECT kind_id FROM taskyard.task WHERE id = $2), old_lane_id, attempt, failures, losses
  FROM gone, clock WHERE $4 = @outcome_failed
),
opened AS (
  INSERT INTO taskyard.open (task_id, at, place, lane_id, attempt, failures, losses, assignee_type, assignee_id,
    claimed_by, correlation_id, due_at, wake_at, sheet, urgency)
  SELECT task_id, us, @place_assigned, old_lane_id, attempt, failures, losses, $16::text, $17::text, $18::text,
    $19::text, $20::bigint, $21::bigint, $22::bytea, $23::smallint
  FROM gone, clock WHERE $4 = @outcome_assigned
),
noted AS (
  INSERT INTO taskyard.seen (key, at) SELECT $14::bytea, us FROM gone, clock WHERE $14 IS NOT NULL ON CONFLICT DO NOTHING
),
worked AS (
  INSERT INTO taskyard.worked (person, ended_at, task_id, definition, group_id, opened_at, claimed_at, due_at)
  SELECT $15::text, us, task_id, definition, group_id, at, claimed_at, due_at
  FROM gone JOIN taskyard.lane l ON l.id = old_lane_id, clock WHERE $15 IS NOT NULL ON CONFLICT DO NOTHING
),
event AS (
  INSERT INTO taskyard.outbox (at, type, task_ids, sequences)
  SELECT us, e.type, ARRAY[task_id], ARRAY[attempt * @span + e.step]
  FROM gone, clock, unnest($12::smallint[], $13::int[]) WITH ORDINALITY AS e (type, step, number) ORDER BY e.number
)
SELECT task_id FROM gone
