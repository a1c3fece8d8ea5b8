-- Every way out of a claim. $2 worker (null: recovery, for anybody's claims), $3 claims spoken of, $4 claims of which
-- nothing should be left; $5 to $23 a row a task; $24 to $26 which events an outcome emits, and at which step.
-- A claim in which anything is left stays, whatever the caller believes.
WITH clock AS MATERIALIZED (SELECT @now AS us),
shut AS MATERIALIZED (
  SELECT id, part, worker_id, claimed_at, task_ids, attempts, lanes, ords, keyed FROM taskyard.claim
  WHERE id = ANY ($3::bigint[]) AND worker_id = coalesce($2::int, worker_id)
    AND (part = 0 AND id = ANY ($4::bigint[]) OR part > 0 AND task_ids[1] = ANY ($6::bigint[]))
  ORDER BY id, part FOR UPDATE
),
keep AS MATERIALIZED (
  SELECT id, part, worker_id, claimed_at, task_ids, attempts, lanes, ords, keyed FROM taskyard.claim
  WHERE id = ANY ($3) AND worker_id = coalesce($2, worker_id) AND part = 0 AND NOT id = ANY ($4)
  ORDER BY id FOR KEY SHARE
),
member AS MATERIALIZED (
  SELECT live.id AS claim_id, live.part, live.closing, live.worker_id, live.claimed_at, m.*,
    m.task_id = ANY (live.keyed) AS keyed
  FROM (SELECT *, true AS closing FROM shut UNION ALL SELECT *, false FROM keep) live
  CROSS JOIN LATERAL unnest(live.task_ids, live.attempts, live.lanes, live.ords) AS m (task_id, attempt, lane_id, ord)
),
told AS MATERIALIZED (
  SELECT DISTINCT ON (u.task_id) u.*, m.worker_id, m.claimed_at, m.ord, coalesce(m.keyed, false) AS keyed, m.lane_id AS old_lane_id,
    coalesce(u.to_lane_id, m.lane_id) AS lane_id
  FROM unnest(
    $5::bigint[], $6, $7::int[], $8::smallint[], $9::bigint[], $10::bytea[], $11::bytea[], $12::bigint[], $13::int[],
    $14::smallint[], $15::int[], $16::text[], $17::text[], $18::text[], $19::text[], $20::bigint[], $21::bigint[],
    $22::bytea[], $23::smallint[])
  AS u (claim_id, task_id, attempt, outcome, run_ms, result, detail, delay, failures, losses, to_lane_id,
    assignee_type, assignee_id, claimed_by, correlation_id, due_at, wake_at, sheet, urgency)
  JOIN member m USING (claim_id, task_id, attempt)
  ORDER BY u.task_id
),
done AS (
  INSERT INTO taskyard.attempt (task_id, attempt, outcome, worker_id, started_at, finished_at, run_ms, result, detail)
  SELECT task_id, attempt, outcome, worker_id, claimed_at, us, run_ms, result, detail FROM told, clock
  ON CONFLICT DO NOTHING
  RETURNING task_id, attempt
),
settled AS MATERIALIZED (SELECT t.*, t.task_id IN (SELECT task_id FROM done) AS done FROM told t),
moved AS MATERIALIZED (SELECT * FROM settled WHERE done),
again AS (
  INSERT INTO taskyard.sched (task_id, run_at, lane_id, attempt, failures, losses, retry)
  SELECT task_id, us + coalesce(delay, 0), lane_id, attempt + 1, failures, losses, true
  FROM moved, clock WHERE outcome = @outcome_retry
),
back AS (
  INSERT INTO taskyard.ready (task_id, ord, lane_id, attempt, failures, losses, keyed)
  SELECT task_id, ord, lane_id, attempt + 1, failures, losses, keyed
  FROM moved WHERE outcome IN (@outcome_lost, @outcome_released)
  RETURNING lane_id, ord
),
lowered AS (
  UPDATE taskyard.lane l SET floor = b.ord FROM (SELECT lane_id, min(ord) AS ord FROM back GROUP BY lane_id) b
  WHERE l.id = b.lane_id AND l.floor > b.ord
),
opened AS (
  INSERT INTO taskyard.open (task_id, at, place, lane_id, attempt, failures, losses, assignee_type, assignee_id,
    claimed_by, correlation_id, due_at, wake_at, sheet, urgency)
  SELECT task_id, us, CASE outcome WHEN @outcome_assigned THEN @place_assigned ELSE @place_waiting END, old_lane_id,
    attempt, failures, losses, assignee_type, assignee_id, claimed_by, correlation_id, due_at, wake_at,
    sheet, urgency
  FROM moved, clock WHERE outcome IN (@outcome_assigned, @outcome_waiting)
),
buried AS (
  INSERT INTO taskyard.dead (task_id, at, kind_id, lane_id, attempt, failures, losses)
  SELECT m.task_id, us, t.kind_id, m.old_lane_id, m.attempt, m.failures, m.losses
  FROM clock, moved m CROSS JOIN LATERAL (SELECT kind_id FROM taskyard.task WHERE id = m.task_id OFFSET 0) t
  WHERE m.outcome = @outcome_failed
),
freed AS (
  DELETE FROM taskyard.slot WHERE task_id = ANY (ARRAY (
    SELECT t.task_id FROM told t WHERE t.keyed AND (
      t.outcome NOT IN (@outcome_lost, @outcome_released) AND t.task_id IN (SELECT task_id FROM done)
      OR (SELECT outcome FROM taskyard.attempt WHERE task_id = t.task_id AND attempt = t.attempt) = @outcome_canceled)))
  RETURNING key
),
untold AS MATERIALIZED (
  SELECT m.* FROM member m LEFT JOIN told t ON t.task_id = m.task_id WHERE m.closing AND t.task_id IS NULL
),
closed AS (
  DELETE FROM taskyard.claim WHERE (id, part) IN (
    SELECT id, part FROM shut
    EXCEPT
    SELECT u.claim_id, u.part FROM untold u WHERE NOT EXISTS (
      SELECT FROM taskyard.attempt WHERE task_id = u.task_id AND attempt = u.attempt OFFSET 0))
),
event AS (
  INSERT INTO taskyard.outbox (at, type, task_ids, sequences)
  SELECT (SELECT us FROM clock), e.type, array_agg(task_id), array_agg(attempt * @span + e.step)
  FROM moved JOIN unnest($24::smallint[], $25::smallint[], $26::int[]) AS e (outcome, type, step) USING (outcome)
  GROUP BY e.type ORDER BY e.type
)
SELECT array_agg(task_id) AS task_ids, array_agg(attempt) AS attempts,
  (SELECT array_agg(key) FROM freed) AS freed
FROM moved
