SELECT task_id, sequence, at, type, body FROM taskyard.note
WHERE task_id = ANY ($1::bigint[]) ORDER BY task_id, sequence
