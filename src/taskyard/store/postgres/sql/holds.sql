-- Whether the claim $1 still holds the task $2 at the attempt $3.
SELECT true FROM taskyard.running WHERE claim_id = $1::bigint AND task_id = $2::bigint AND attempt = $3::int
