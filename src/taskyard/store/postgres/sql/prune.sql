-- Of the next $4 tasks of the partition @part after $3 that were made before the id $2: forget those that ended before
-- $1, with all that belongs to them; but not what was started on behalf of a task that did not. How many, and how far
-- we came (null: to the end).
WITH held AS MATERIALIZED (SELECT unnest(task_ids) AS task_id FROM taskyard.claim),
seen AS MATERIALIZED (
  SELECT id, parent_id FROM taskyard.task@part WHERE id > $3::bigint AND id < $2::bigint ORDER BY id LIMIT $4::int
),
over AS MATERIALIZED (
  SELECT seen.id FROM seen
  CROSS JOIN LATERAL (
    SELECT finished_at FROM taskyard.attempt@part WHERE task_id = seen.id ORDER BY attempt DESC LIMIT 1) a
  WHERE a.finished_at < $1::bigint
    AND NOT seen.id IN (SELECT task_id FROM held)
    AND NOT EXISTS (SELECT FROM taskyard.resting WHERE task_id = seen.id OFFSET 0)
    AND (seen.parent_id IS NULL OR NOT (
      seen.parent_id IN (SELECT task_id FROM held)
      OR EXISTS (SELECT FROM taskyard.resting WHERE task_id = seen.parent_id OFFSET 0)
      OR EXISTS (SELECT FROM taskyard.attempt WHERE task_id = seen.parent_id AND finished_at >= $1 OFFSET 0)))
),
body AS (DELETE FROM taskyard.task@part WHERE id IN (SELECT id FROM over) RETURNING id),
attempt AS (DELETE FROM taskyard.attempt@part WHERE task_id IN (SELECT id FROM over)),
note AS (DELETE FROM taskyard.note@part WHERE task_id IN (SELECT id FROM over)),
line AS (DELETE FROM taskyard.line@part WHERE task_id IN (SELECT id FROM over)),
progress AS (DELETE FROM taskyard.progress@part WHERE task_id IN (SELECT id FROM over)),
tag AS (DELETE FROM taskyard.tag@part WHERE task_id IN (SELECT id FROM over)),
uniq AS (DELETE FROM taskyard.uniq WHERE task_id IN (SELECT id FROM over)),
task_slot AS (DELETE FROM taskyard.task_slot WHERE task_id IN (SELECT id FROM over)),
pledge AS (DELETE FROM taskyard.pledge WHERE task_id IN (SELECT id FROM over)),
dead AS (DELETE FROM taskyard.dead WHERE task_id IN (SELECT id FROM over))
SELECT (SELECT count(*) FROM body) AS pruned,
  (SELECT max(id) FROM seen HAVING count(*) = $4) AS reached
