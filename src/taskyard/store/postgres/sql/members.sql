SELECT task_id, attempt, failures, losses FROM taskyard.running WHERE claim_id = $1::bigint
