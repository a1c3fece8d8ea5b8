-- What `settle` does, for a batch in which everything is COMPLETED: the hot path, with as little as that needs.
-- $2 worker, $3 claims spoken of, $4 claims of which nothing is left, $5 a row a task.
-- It fails where one of the attempts has ended before: to look for that in advance would cost as much as to insert.
-- Claims to be closed are locked first and in order, or a cancel that shares one of them could deadlock with us.
WITH clock AS MATERIALIZED (SELECT @now AS us),
shut AS MATERIALIZED (
  SELECT id, part, claimed_at, task_ids, attempts, keyed FROM taskyard.claim
  WHERE id = ANY ($3::bigint[]) AND worker_id = $2::int
    AND (part = 0 AND id = ANY ($4::bigint[]) OR part > 0 AND task_ids[1] = ANY (ARRAY (SELECT task_id FROM unnest($5::taskyard.completion[]))))
  ORDER BY id, part FOR UPDATE
),
keep AS MATERIALIZED (
  SELECT id, part, claimed_at, task_ids, attempts, keyed FROM taskyard.claim
  WHERE id = ANY ($3) AND worker_id = $2 AND part = 0 AND NOT id = ANY ($4)
  ORDER BY id FOR KEY SHARE
),
member AS MATERIALIZED (
  SELECT live.id AS claim_id, live.part, live.closing, live.claimed_at, m.*, m.task_id = ANY (live.keyed) AS keyed
  FROM (SELECT *, true AS closing FROM shut UNION ALL SELECT *, false FROM keep) live
  CROSS JOIN LATERAL unnest(live.task_ids, live.attempts) AS m (task_id, attempt)
),
told AS MATERIALIZED (
  SELECT u.*, m.claimed_at, m.keyed
  FROM unnest($5::taskyard.completion[]) u
  JOIN member m USING (claim_id, task_id, attempt)
  ORDER BY u.task_id
),
done AS (
  INSERT INTO taskyard.attempt (task_id, attempt, outcome, worker_id, started_at, finished_at, run_ms, result, detail)
  SELECT task_id, attempt, @outcome_completed, $2, claimed_at, us, run_ms, result, detail FROM told, clock
),
freed AS (
  DELETE FROM taskyard.slot WHERE task_id = ANY (ARRAY (SELECT task_id FROM told WHERE keyed)) RETURNING key
),
untold AS MATERIALIZED (
  SELECT m.* FROM member m LEFT JOIN told t ON t.task_id = m.task_id WHERE m.closing AND t.task_id IS NULL
),
closed AS (
  DELETE FROM taskyard.claim WHERE (id, part) IN (
    SELECT id, part FROM shut
    EXCEPT
    SELECT u.claim_id, u.part FROM untold u WHERE NOT taskyard.has_ended(u.task_id, u.attempt))
),
event AS (
  INSERT INTO taskyard.outbox (at, type, task_ids, sequences)
  SELECT (SELECT us FROM clock), @event_completed, array_agg(task_id), array_agg(attempt * @span + @settled)
  FROM told HAVING count(*) > 0
)
SELECT count(*) AS moved, (SELECT array_agg(key) FROM freed) AS freed,
  CASE WHEN count(*) < cardinality($5) THEN array_agg(task_id) END AS task_ids,
  CASE WHEN count(*) < cardinality($5) THEN array_agg(attempt) END AS attempts
FROM told
