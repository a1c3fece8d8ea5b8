-- A worker that was given up gets nothing: it would be lost at once.
-- Lease up to $4 tasks of the lanes $3, and @most of each, to the worker $2, as claim $5. With the visibility $6 each
-- task has a part of its own. $7 are the priorities' head starts. `pick` must be materialized, or more rows are locked than are asked
-- for; OFFSET 0 keeps the look-up of bodies from becoming a join over all of them.
WITH clock AS MATERIALIZED (SELECT @now AS us),
pick AS MATERIALIZED (
  SELECT r.*, l.fresh, l.start
  FROM (
    SELECT lane.id, lane.floor, lane.queue <> @queue_retry AS fresh, ($7::bigint[])[lane.priority] AS start
    FROM taskyard.lane
    JOIN taskyard.queue ON queue.id = lane.queue AND NOT queue.paused
    CROSS JOIN LATERAL (
      SELECT ord FROM taskyard.ready WHERE lane_id = lane.id AND ord >= lane.floor ORDER BY ord, task_id LIMIT 1) head
    WHERE lane.id = ANY ($3::int[]) AND NOT EXISTS (SELECT FROM taskyard.worker WHERE id = $2::int AND dead)
    ORDER BY lane.queue <> @queue_retry, head.ord - ($7::bigint[])[lane.priority]
  ) l
  CROSS JOIN LATERAL (
    SELECT ctid AS tid, task_id, attempt, ord, lane_id, failures, losses, keyed FROM taskyard.ready
    WHERE lane_id = l.id AND ord >= l.floor ORDER BY ord, task_id LIMIT @most FOR UPDATE SKIP LOCKED
  ) r
  LIMIT $4::int
),
gone AS (
  DELETE FROM taskyard.ready WHERE ctid = ANY (ARRAY (SELECT tid FROM pick))
  RETURNING task_id, attempt, ord, lane_id, failures, losses, keyed
),
batch AS (
  INSERT INTO taskyard.claim (id, part, worker_id, claimed_at, task_ids, attempts, lanes, ords, failures, losses, keyed)
  SELECT $5::bigint, 0, $2::int, (SELECT us FROM clock), array_agg(task_id), array_agg(attempt), array_agg(lane_id),
    array_agg(ord), array_agg(failures), array_agg(losses), array_agg(task_id) FILTER (WHERE keyed)
  FROM gone WHERE $6::bigint IS NULL HAVING count(*) > 0
),
parts AS (
  INSERT INTO taskyard.claim (
    id, part, worker_id, claimed_at, expires_at, task_ids, attempts, lanes, ords, failures, losses, keyed)
  SELECT $5, row_number() OVER (), $2, us, us + $6, ARRAY[task_id], ARRAY[attempt], ARRAY[lane_id], ARRAY[ord],
    ARRAY[failures], ARRAY[losses], CASE WHEN keyed THEN ARRAY[task_id] END
  FROM gone, clock WHERE $6 IS NOT NULL
),
event AS (
  INSERT INTO taskyard.outbox (at, type, task_ids, sequences)
  SELECT (SELECT us FROM clock), @event_started, array_agg(task_id), array_agg(attempt * @span + @started)
  FROM gone HAVING count(*) > 0
)
SELECT p.task_id, p.attempt, p.lane_id, t.kind_id, t.policy_id, t.priority, p.failures, p.losses, p.ord, t.input,
  t.extra, t.workflow_id, t.correlation_id, t.cause_type, t.cause, t.parent_id, clock.us
FROM clock, pick p
CROSS JOIN LATERAL (SELECT * FROM taskyard.task WHERE id = p.task_id OFFSET 0) t
ORDER BY p.fresh, p.ord - p.start, p.task_id
