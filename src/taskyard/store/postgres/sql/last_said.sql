-- The highest sequence among the lines and progress of the task $1.
SELECT greatest(
  0,
  (SELECT max(sequence) FROM taskyard.line WHERE task_id = $1::bigint),
  (SELECT sequence FROM taskyard.progress WHERE task_id = $1)
)
