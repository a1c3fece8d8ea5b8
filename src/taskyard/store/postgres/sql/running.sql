SELECT r.task_id, @place_running AS kind, r.claimed_at, r.attempt, r.failures, r.losses, w.name, r.expires_at
FROM taskyard.running r LEFT JOIN taskyard.worker w ON w.id = r.worker_id
WHERE r.task_id = ANY ($1::bigint[]) ORDER BY r.task_id
