-- When the latest attempts that began since $1 completed, and in how many milliseconds.
SELECT finished_at, run_ms
FROM taskyard.attempt
WHERE started_at >= $1::bigint AND outcome = @outcome_completed AND run_ms IS NOT NULL
ORDER BY started_at DESC LIMIT 10000
