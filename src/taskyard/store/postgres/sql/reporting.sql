-- The tasks under lease that have said how far they are, each with the sequence of what it said.
SELECT r.task_id, p.sequence FROM taskyard.running r
CROSS JOIN LATERAL (SELECT sequence FROM taskyard.progress WHERE task_id = r.task_id OFFSET 0) p
ORDER BY r.task_id
