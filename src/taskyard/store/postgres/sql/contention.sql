-- What the parked task $1 waits for: a row for each of its limits, with the first tasks that hold a slot of it.
SELECT p.key AS line, p.fairness_key,
  (SELECT count(*) FROM taskyard.parked o
    WHERE o.key = p.key AND o.fairness_key = p.fairness_key AND (o.turn, o.task_id) < (p.turn, p.task_id)) AS ahead,
  (WITH RECURSIVE walk (fairness_key) AS (
    (SELECT fairness_key FROM taskyard.parked WHERE key = p.key ORDER BY fairness_key LIMIT 1)
    UNION ALL
    SELECT (SELECT o.fairness_key FROM taskyard.parked o WHERE o.key = p.key AND o.fairness_key > w.fairness_key
      ORDER BY o.fairness_key LIMIT 1)
    FROM walk w WHERE w.fairness_key IS NOT NULL)
  SELECT count(fairness_key) FROM walk) AS waiting,
  s.key, CASE WHEN l.key IS NULL THEN s.size ELSE l.size END AS size,
  (SELECT count(*) FROM taskyard.slot h WHERE h.key = s.key) AS held,
  (SELECT count(*) FROM taskyard.slot h WHERE h.key = s.key AND h.fairness_key = p.fairness_key) AS own,
  ARRAY (SELECT h.task_id FROM taskyard.slot h WHERE h.key = s.key ORDER BY h.task_id LIMIT $2::int) AS holders
FROM taskyard.parked p
JOIN taskyard.task_slot s ON s.task_id = p.task_id
LEFT JOIN taskyard.slot_limit l ON l.key = s.key
WHERE p.task_id = $1::bigint ORDER BY s.key
