SELECT s.key, coalesce(l.size, s.size) AS size,
  ARRAY (SELECT h.task_id FROM taskyard.slot h WHERE h.key = s.key ORDER BY h.task_id) AS holders
FROM taskyard.parked p
JOIN taskyard.task_slot s ON s.task_id = p.task_id
LEFT JOIN taskyard.slot_limit l ON l.key = s.key
WHERE p.task_id = $1::bigint ORDER BY s.key
