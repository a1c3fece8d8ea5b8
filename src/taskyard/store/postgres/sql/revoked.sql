-- What was canceled in the claims of the worker $1.
SELECT m.task_id, m.attempt
FROM taskyard.claim c
CROSS JOIN LATERAL unnest(c.task_ids, c.attempts) AS m (task_id, attempt)
JOIN taskyard.attempt a ON a.task_id = m.task_id AND a.attempt = m.attempt
WHERE c.worker_id = $1::int AND a.outcome = @outcome_canceled
ORDER BY m.task_id
