SELECT a.task_id, a.attempt, a.outcome, w.name, a.started_at, a.finished_at, a.run_ms, a.result, a.detail
FROM unnest($1::bigint[], $2::int[]) AS u (task_id, attempt)
CROSS JOIN LATERAL (SELECT * FROM taskyard.attempt WHERE task_id = u.task_id AND attempt = u.attempt OFFSET 0) a
LEFT JOIN taskyard.worker w ON w.id = a.worker_id
