-- Kind and milliseconds of the latest attempts that completed, of tasks from the id $1 on.
SELECT t.kind_id, a.run_ms
FROM (
  SELECT task_id, run_ms FROM taskyard.attempt
  WHERE outcome = @outcome_completed AND task_id >= $1::bigint AND run_ms IS NOT NULL
  ORDER BY task_id DESC LIMIT 10000
) a
CROSS JOIN LATERAL (SELECT kind_id FROM taskyard.task WHERE id = a.task_id OFFSET 0) t
