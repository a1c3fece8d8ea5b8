-- How many attempts ended how in each stretch of $2 since $1; who began an hour before that, or later.
SELECT (finished_at - $1::bigint) / $2::bigint, outcome, count(*)
FROM taskyard.attempt
WHERE started_at >= $1 - 3600000000 AND finished_at >= $1
GROUP BY 1, 2 ORDER BY 1, 2
