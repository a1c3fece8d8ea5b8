-- Who holds the keys $2, until when, and whether that task has FAILED or was CANCELED; locked.
SELECT u.key, u.task_id, u.fingerprint, coalesce(u.expires_at <= @now, false) AS expired,
  EXISTS (SELECT FROM taskyard.dead d WHERE d.task_id = u.task_id)
  OR EXISTS (SELECT FROM taskyard.attempt a WHERE a.task_id = u.task_id AND a.outcome = @outcome_canceled) AS failed
FROM taskyard.uniq u WHERE u.key = ANY ($2::bytea[]) ORDER BY u.key FOR UPDATE
