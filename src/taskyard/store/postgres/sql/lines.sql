SELECT task_id, sequence, at, level, text FROM taskyard.line
WHERE task_id = $1::bigint AND sequence > $2::bigint ORDER BY sequence LIMIT $3::int
