-- What is under a lease that has ended: by its own visibility, else by its worker's death.
-- A worker that nobody supervised had started everything, for all we know.
SELECT r.claim_id, r.task_id, r.attempt, r.lane_id, t.policy_id, r.failures, r.losses,
  r.expires_at IS NOT NULL OR w.id IS NULL OR NOT w.supervised OR w.running IS NULL OR r.task_id = ANY (w.running)
    AS started,
  coalesce(w.crashed, false) AS crashed
FROM taskyard.running r
LEFT JOIN taskyard.worker w ON w.id = r.worker_id
CROSS JOIN LATERAL (SELECT policy_id FROM taskyard.task WHERE id = r.task_id OFFSET 0) t
WHERE CASE WHEN r.expires_at IS NULL THEN coalesce(w.dead, true) ELSE r.expires_at <= @now END
ORDER BY r.claim_id, r.task_id LIMIT $2::int
