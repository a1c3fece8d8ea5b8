-- The latest $2 attempts with which tasks from the id $1 on and below $3 failed for good.
SELECT a.task_id, t.kind_id, a.finished_at, a.detail, d.task_id IS NOT NULL
FROM taskyard.attempt a
CROSS JOIN LATERAL (SELECT kind_id FROM taskyard.task WHERE id = a.task_id OFFSET 0) t
LEFT JOIN taskyard.dead d ON d.task_id = a.task_id AND d.attempt = a.attempt AND NOT d.discarded
WHERE a.outcome = @outcome_failed AND a.task_id >= $1::bigint AND a.task_id < $3::bigint
ORDER BY a.task_id DESC, a.attempt DESC LIMIT $2::int
