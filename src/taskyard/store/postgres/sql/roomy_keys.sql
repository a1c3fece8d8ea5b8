-- The limits that have both a line of parked tasks and room; one index probe a line, however long it is.
WITH RECURSIVE line (key) AS (
  (SELECT key FROM taskyard.parked ORDER BY key LIMIT 1)
  UNION ALL
  SELECT (SELECT p.key FROM taskyard.parked p WHERE p.key > line.key ORDER BY p.key LIMIT 1)
  FROM line WHERE line.key IS NOT NULL
)
SELECT line.key FROM line LEFT JOIN taskyard.slot_limit l ON l.key = line.key
WHERE line.key IS NOT NULL
  AND (l.size IS NULL OR l.size > (SELECT count(*) FROM taskyard.slot s WHERE s.key = line.key))
