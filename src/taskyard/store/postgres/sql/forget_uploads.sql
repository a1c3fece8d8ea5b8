-- Forget the uploads that were last used before $1, but for those that a task made before the id $2 still needs.
WITH needing AS MATERIALIZED (
  SELECT t.input FROM (
    SELECT task_id FROM taskyard.resting
    UNION ALL SELECT task_id FROM taskyard.dead
    UNION ALL SELECT unnest(task_ids) FROM taskyard.claim) n
  CROSS JOIN LATERAL (SELECT input FROM taskyard.task WHERE id = n.task_id OFFSET 0) t
  WHERE n.task_id < $2::bigint
)
DELETE FROM taskyard.upload u
WHERE greatest(u.created_at, u.used_at) < $1::bigint
  AND NOT EXISTS (SELECT FROM needing WHERE position(convert_to(u.id, 'UTF8') IN needing.input) > 0)
