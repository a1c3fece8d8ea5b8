-- Of the tasks from the id $1 on and before $2: copy from the partition @old to the table @new those that are kept,
-- and forget what stands elsewhere of the others. Kept is what has not ended, or not before $3, and what was started
-- on behalf of such a task. How many are not kept.
WITH held AS MATERIALIZED (SELECT unnest(task_ids) AS task_id FROM taskyard.claim),
kept AS MATERIALIZED (
  SELECT task_id FROM taskyard.resting WHERE task_id >= $1::bigint AND task_id < $2::bigint
  UNION SELECT task_id FROM held WHERE task_id >= $1 AND task_id < $2
  UNION SELECT task_id FROM taskyard.attempt@old WHERE task_id >= $1 AND task_id < $2 AND finished_at >= $3::bigint
  UNION SELECT t.id FROM taskyard.task@old t
  WHERE t.id >= $1 AND t.id < $2 AND t.parent_id IS NOT NULL AND (
    t.parent_id IN (SELECT task_id FROM held)
    OR EXISTS (SELECT FROM taskyard.resting WHERE task_id = t.parent_id OFFSET 0)
    OR EXISTS (SELECT FROM taskyard.attempt WHERE task_id = t.parent_id AND finished_at >= $3 OFFSET 0))
),
task AS (
  INSERT INTO taskyard.task@new SELECT * FROM taskyard.task@old
  WHERE id >= $1 AND id < $2 AND id IN (SELECT task_id FROM kept)
),
attempt AS (
  INSERT INTO taskyard.attempt@new SELECT * FROM taskyard.attempt@old
  WHERE task_id >= $1 AND task_id < $2 AND task_id IN (SELECT task_id FROM kept)
),
tag AS (
  INSERT INTO taskyard.tag@new SELECT * FROM taskyard.tag@old
  WHERE task_id >= $1 AND task_id < $2 AND task_id IN (SELECT task_id FROM kept)
),
note AS (
  INSERT INTO taskyard.note@new SELECT * FROM taskyard.note@old
  WHERE task_id >= $1 AND task_id < $2 AND task_id IN (SELECT task_id FROM kept)
),
line AS (
  INSERT INTO taskyard.line@new SELECT * FROM taskyard.line@old
  WHERE task_id >= $1 AND task_id < $2 AND task_id IN (SELECT task_id FROM kept)
),
progress AS (
  INSERT INTO taskyard.progress@new SELECT * FROM taskyard.progress@old
  WHERE task_id >= $1 AND task_id < $2 AND task_id IN (SELECT task_id FROM kept)
),
uniq AS (
  DELETE FROM taskyard.uniq WHERE task_id >= $1 AND task_id < $2 AND task_id NOT IN (SELECT task_id FROM kept)
),
task_slot AS (
  DELETE FROM taskyard.task_slot WHERE task_id >= $1 AND task_id < $2 AND task_id NOT IN (SELECT task_id FROM kept)
),
pledge AS (
  DELETE FROM taskyard.pledge WHERE task_id >= $1 AND task_id < $2 AND task_id NOT IN (SELECT task_id FROM kept)
),
dead AS (
  DELETE FROM taskyard.dead WHERE task_id >= $1 AND task_id < $2 AND task_id NOT IN (SELECT task_id FROM kept)
)
SELECT (SELECT count(*) FROM taskyard.task@old WHERE id >= $1 AND id < $2) - (SELECT count(*) FROM kept)
