-- Out of the dead letters $2 for good; $3 is the note's body.
WITH clock AS MATERIALIZED (SELECT @now AS us),
chosen AS MATERIALIZED (
  SELECT task_id FROM taskyard.dead WHERE task_id = ANY ($2::bigint[]) AND NOT discarded ORDER BY task_id FOR UPDATE
),
gone AS (
  UPDATE taskyard.dead SET discarded = true WHERE task_id IN (SELECT task_id FROM chosen) RETURNING task_id, attempt
),
noted AS (
  INSERT INTO taskyard.note (task_id, sequence, at, type, body)
  SELECT task_id, (attempt + 1) * @span, us, @event_deadlettered, $3::bytea FROM gone, clock
),
event AS (
  INSERT INTO taskyard.outbox (at, type, task_ids, sequences)
  SELECT (SELECT us FROM clock), @event_deadlettered, array_agg(task_id), array_agg((attempt + 1) * @span)
  FROM gone HAVING count(*) > 0
)
SELECT task_id FROM gone ORDER BY task_id
