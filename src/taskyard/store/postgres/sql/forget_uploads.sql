-- Forget the uploads that were last used before $1, but for those that a task made before the id $2 still needs, as it may
-- still run or has ended since: in its input, among what people have attached to it or sent with their approval, or in
-- their draft.
WITH old AS MATERIALIZED (
  SELECT task_id FROM (
    SELECT task_id FROM taskyard.resting
    UNION ALL SELECT task_id FROM taskyard.dead
    UNION ALL SELECT unnest(task_ids) FROM taskyard.claim
    UNION ALL SELECT task_id FROM taskyard.attempt WHERE task_id < $2 AND finished_at >= $1) n
  WHERE n.task_id < $2::bigint
),
needing AS MATERIALIZED (
  SELECT t.text FROM old CROSS JOIN LATERAL (
    SELECT input AS text FROM taskyard.task WHERE id = old.task_id
    UNION ALL SELECT body FROM taskyard.note WHERE task_id = old.task_id AND type IN (@event_commented, @event_decided)
    UNION ALL SELECT sheet FROM taskyard.open WHERE task_id = old.task_id AND sheet IS NOT NULL) t
)
DELETE FROM taskyard.upload u
WHERE greatest(u.created_at, u.used_at) < $1::bigint
  AND NOT EXISTS (SELECT FROM needing WHERE position(convert_to(u.id, 'UTF8') IN needing.text) > 0)
