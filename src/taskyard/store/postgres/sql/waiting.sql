-- The first parked tasks in the lines of the limits $1, with all limits they fall under, in order.
SELECT p.task_id, p.key, ARRAY (SELECT s.key FROM taskyard.task_slot s WHERE s.task_id = p.task_id) AS keys
FROM unnest($1::text[]) AS k (key)
CROSS JOIN LATERAL (
  SELECT task_id, key, ord FROM taskyard.parked WHERE key = k.key ORDER BY ord, task_id LIMIT 100) p
ORDER BY p.ord, p.task_id
