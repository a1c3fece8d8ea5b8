-- Each endpoint with a delivery that is due, found without a look at all that waits for it.
WITH RECURSIVE each_one (name) AS (
  SELECT min(endpoint) FROM taskyard.delivery WHERE next_at IS NOT NULL
  UNION ALL
  SELECT (SELECT min(endpoint) FROM taskyard.delivery WHERE next_at IS NOT NULL AND endpoint > name) FROM each_one
  WHERE name IS NOT NULL
)
SELECT name FROM each_one WHERE (
  SELECT next_at FROM taskyard.delivery WHERE endpoint = name AND next_at IS NOT NULL ORDER BY next_at, id LIMIT 1) <= @now
