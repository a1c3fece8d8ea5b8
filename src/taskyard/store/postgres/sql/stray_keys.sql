-- The limits with slots whose task neither waits in a queue nor is under lease.
SELECT DISTINCT s.key FROM taskyard.slot s
WHERE NOT EXISTS (SELECT FROM taskyard.ready r WHERE r.task_id = s.task_id)
  AND NOT s.task_id IN (SELECT unnest(keyed) FROM taskyard.claim WHERE keyed IS NOT NULL)
