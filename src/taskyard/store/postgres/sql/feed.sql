SELECT pos, at, type, task_ids, sequences FROM taskyard.feed WHERE pos > $1::bigint ORDER BY pos LIMIT $2::int
