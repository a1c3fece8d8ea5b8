-- What is kept beside tasks and was over before $1.
WITH feed AS (DELETE FROM taskyard.feed WHERE at < $1::bigint),
uniq AS (DELETE FROM taskyard.uniq WHERE expires_at < $1),
token AS (DELETE FROM taskyard.token WHERE expires_at < $1),
slot_limit AS (
  DELETE FROM taskyard.slot_limit l WHERE NOT EXISTS (SELECT FROM taskyard.task_slot s WHERE s.key = l.key))
DELETE FROM taskyard.worker w WHERE w.beat_at < $1
  AND NOT EXISTS (SELECT FROM taskyard.claim c WHERE c.worker_id = w.id)
