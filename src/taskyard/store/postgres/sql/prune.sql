-- Of the next $4 tasks after $3 that were made before the id $2: forget those that ended before $1, with all that
-- belongs to them. How many, and how far we came (null: to the end).
WITH seen AS MATERIALIZED (
  SELECT id FROM taskyard.task WHERE id > $3::bigint AND id < $2::bigint ORDER BY id LIMIT $4::int
),
over AS MATERIALIZED (
  SELECT seen.id FROM seen
  CROSS JOIN LATERAL (
    SELECT finished_at, outcome FROM taskyard.attempt WHERE task_id = seen.id ORDER BY attempt DESC LIMIT 1) a
  WHERE a.finished_at < $1::bigint
    AND a.outcome IN (@outcome_completed, @outcome_fallback, @outcome_canceled, @outcome_failed)
    AND NOT EXISTS (SELECT FROM taskyard.ready WHERE task_id = seen.id)
    AND NOT EXISTS (SELECT FROM taskyard.sched WHERE task_id = seen.id)
    AND NOT EXISTS (SELECT FROM taskyard.parked WHERE task_id = seen.id)
    AND NOT seen.id IN (SELECT unnest(task_ids) FROM taskyard.claim)
),
body AS (DELETE FROM taskyard.task WHERE id IN (SELECT id FROM over) RETURNING id),
attempt AS (DELETE FROM taskyard.attempt WHERE task_id IN (SELECT id FROM over)),
note AS (DELETE FROM taskyard.note WHERE task_id IN (SELECT id FROM over)),
line AS (DELETE FROM taskyard.line WHERE task_id IN (SELECT id FROM over)),
progress AS (DELETE FROM taskyard.progress WHERE task_id IN (SELECT id FROM over)),
tag AS (DELETE FROM taskyard.tag WHERE task_id IN (SELECT id FROM over)),
uniq AS (DELETE FROM taskyard.uniq WHERE task_id IN (SELECT id FROM over)),
task_slot AS (DELETE FROM taskyard.task_slot WHERE task_id IN (SELECT id FROM over)),
dead AS (DELETE FROM taskyard.dead WHERE task_id IN (SELECT id FROM over))
SELECT (SELECT count(*) FROM body) AS pruned,
  (SELECT max(id) FROM seen HAVING count(*) = $4) AS reached
