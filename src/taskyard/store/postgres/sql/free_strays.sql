-- Free such slots of the limits $1, which the caller has locked.
DELETE FROM taskyard.slot s
WHERE s.key = ANY ($1::text[])
  AND NOT EXISTS (SELECT FROM taskyard.ready r WHERE r.task_id = s.task_id)
  AND NOT s.task_id IN (SELECT unnest(keyed) FROM taskyard.claim WHERE keyed IS NOT NULL)
