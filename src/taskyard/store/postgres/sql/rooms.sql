-- The limits $1 as they stand: slots held, and of shared ones how many of these wait to be claimed, and where the last
-- of them stands.
SELECT l.key, l.size, l.shared, (SELECT count(*) FROM taskyard.slot s WHERE s.key = l.key) AS held, q.queued, q.tail
FROM taskyard.slot_limit l
LEFT JOIN LATERAL (
  SELECT count(*) AS queued, max(r.ord) AS tail FROM taskyard.slot s JOIN taskyard.ready r USING (task_id)
  WHERE s.key = l.key AND l.shared) q ON true
WHERE l.key = ANY ($1::text[])
