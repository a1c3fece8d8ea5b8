-- How many tasks from the id $1 on are in which state, by kind.
SELECT t.kind_id, p.state, count(*)
FROM taskyard.task t JOIN taskyard.place p ON p.task_id = t.id
WHERE t.id >= $1::bigint AND p.task_id >= $1
GROUP BY t.kind_id, p.state
