-- Close the claims that nobody will close any more: their lease has ended and nothing in them is left.
WITH over AS MATERIALIZED (
  SELECT c.id, c.part FROM taskyard.claim c LEFT JOIN taskyard.worker w ON w.id = c.worker_id
  WHERE CASE WHEN c.expires_at IS NULL THEN coalesce(w.dead, true) ELSE c.expires_at <= @now END
    AND NOT EXISTS (SELECT FROM taskyard.running r WHERE r.claim_id = c.id AND r.task_id = ANY (c.task_ids))
  ORDER BY c.id, c.part FOR UPDATE OF c SKIP LOCKED
)
DELETE FROM taskyard.claim WHERE (id, part) IN (SELECT id, part FROM over)
