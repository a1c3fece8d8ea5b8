-- The highest sequence at which anything is known of the tasks $1; 0 for unknown ones.
WITH held AS MATERIALIZED (SELECT task_id, attempt FROM taskyard.running WHERE task_id = ANY ($1::bigint[]))
SELECT u.id, greatest(
  0,
  (SELECT attempt * @span FROM taskyard.ready WHERE task_id = u.id),
  (SELECT attempt * @span - retry::int FROM taskyard.sched WHERE task_id = u.id),
  (SELECT attempt * @span FROM taskyard.parked WHERE task_id = u.id),
  (SELECT attempt * @span + @started FROM held WHERE task_id = u.id),
  (SELECT (attempt + 1) * @span + @line + changes FROM taskyard.open WHERE task_id = u.id),
  (SELECT max(attempt) * @span + @settled FROM taskyard.attempt WHERE task_id = u.id),
  (SELECT max(sequence) FROM taskyard.line WHERE task_id = u.id),
  (SELECT max(sequence) FROM taskyard.note WHERE task_id = u.id),
  (SELECT sequence FROM taskyard.progress WHERE task_id = u.id)
) AS latest
FROM unnest($1) AS u (id)
