-- CANCELED from wherever the task $2 is, if it is still at the version $3; no row when it is not: look again.
-- A running one keeps its slot, and its claim, until the worker lets go.
WITH clock AS MATERIALIZED (SELECT @now AS us),
from_ready AS (
  DELETE FROM taskyard.ready WHERE task_id = $2::bigint AND attempt * @span = $3::bigint RETURNING attempt
),
from_sched AS (
  DELETE FROM taskyard.sched WHERE task_id = $2 AND attempt * @span - retry::int = $3 RETURNING attempt
),
from_parked AS (
  DELETE FROM taskyard.parked WHERE task_id = $2 AND attempt * @span = $3 RETURNING attempt
),
from_open AS (
  DELETE FROM taskyard.open WHERE task_id = $2 AND (attempt + 1) * @span + @line + changes = $3
  RETURNING attempt + 1 AS attempt
),
held AS MATERIALIZED (
  SELECT worker_id, claimed_at, task_ids, attempts FROM taskyard.claim WHERE task_ids @> ARRAY[$2] FOR KEY SHARE
),
from_claim AS (
  SELECT m.attempt, held.worker_id, held.claimed_at
  FROM held CROSS JOIN LATERAL unnest(held.task_ids, held.attempts) AS m (task_id, attempt)
  WHERE m.task_id = $2 AND m.attempt * @span + @started = $3
),
place AS (
  SELECT attempt, NULL::int AS worker_id, NULL::bigint AS started_at
  FROM (SELECT * FROM from_ready UNION ALL SELECT * FROM from_sched UNION ALL SELECT * FROM from_parked
        UNION ALL SELECT * FROM from_open) p
  UNION ALL SELECT attempt, worker_id, claimed_at FROM from_claim
),
done AS (
  INSERT INTO taskyard.attempt (task_id, attempt, outcome, worker_id, started_at, finished_at, detail)
  SELECT $2, attempt, @outcome_canceled, worker_id, started_at, us, $4::bytea FROM place, clock
  ON CONFLICT DO NOTHING
  RETURNING attempt
),
freed AS (
  DELETE FROM taskyard.slot WHERE task_id = $2 AND EXISTS (SELECT FROM from_ready) RETURNING key
),
event AS (
  INSERT INTO taskyard.outbox (at, type, task_ids, sequences)
  SELECT us, @event_canceled, ARRAY[$2], ARRAY[attempt * @span + @settled] FROM done, clock
)
SELECT (SELECT array_agg(key) FROM freed) AS freed FROM done
