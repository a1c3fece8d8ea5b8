SELECT a.task_id, a.attempt, a.outcome, w.name, a.started_at, a.finished_at, a.run_ms, a.result, a.detail
FROM taskyard.attempt a LEFT JOIN taskyard.worker w ON w.id = a.worker_id
WHERE a.task_id = $1::bigint ORDER BY a.attempt
