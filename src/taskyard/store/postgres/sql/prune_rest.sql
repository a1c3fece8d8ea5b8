-- What is kept beside tasks and was over before $1: of the feed no more than $3 rows, of workers those that no attempt
-- at a task before the id $2 names. Whether there may be more of the feed.
WITH feed AS (
  DELETE FROM taskyard.feed WHERE pos = ANY (ARRAY (
    SELECT pos FROM taskyard.feed WHERE at < $1::bigint ORDER BY at LIMIT $3::int))
  RETURNING 1
),
worked AS (DELETE FROM taskyard.worked WHERE ended_at < $1),
notice AS (DELETE FROM taskyard.notice WHERE id < $2::bigint AND at < $1 AND digest_at IS NULL),
journal AS (DELETE FROM taskyard.journal WHERE at < $1),
token AS (DELETE FROM taskyard.token WHERE expires_at < $1),
seen AS (DELETE FROM taskyard.seen WHERE at < $1),
letter AS (DELETE FROM taskyard.letter WHERE status = 'dead' AND at < $1),
slot_limit AS (
  DELETE FROM taskyard.slot_limit l WHERE NOT EXISTS (SELECT FROM taskyard.task_slot s WHERE s.key = l.key)),
worker AS (
  DELETE FROM taskyard.worker w WHERE w.beat_at < $1
    AND NOT EXISTS (SELECT FROM taskyard.claim c WHERE c.worker_id = w.id)
    AND NOT EXISTS (SELECT FROM taskyard.attempt a WHERE a.worker_id = w.id AND a.task_id < $2::bigint)
)
SELECT (SELECT count(*) FROM feed) = $3
