-- The lease on the task $3 (attempt $4) under claim $2 ends in $5 from now.
UPDATE taskyard.claim SET expires_at = @now + $5::bigint
WHERE id = $2::bigint AND part > 0 AND task_ids = ARRAY[$3::bigint] AND attempts = ARRAY[$4::int]
  AND NOT EXISTS (SELECT FROM taskyard.attempt a WHERE a.task_id = $3 AND a.attempt = $4)
RETURNING true
