-- Who holds the keys $2, until when, and whether that task has FAILED or was CANCELED; locked.
SELECT u.key, u.task_id, u.fingerprint, coalesce(u.expires_at <= @now, false) AS expired,
  EXISTS (SELECT FROM taskyard.dead WHERE task_id = u.task_id OFFSET 0)
  OR EXISTS (SELECT FROM taskyard.attempt WHERE task_id = u.task_id AND outcome = @outcome_canceled OFFSET 0) AS failed
FROM taskyard.uniq u WHERE u.key = ANY ($2::bytea[]) ORDER BY u.key FOR UPDATE
