-- The workers that have beaten within the time $2, or hold a lease that lives by itself.
SELECT w.id, w.name, w.host, w.pid, w.version, w.queues, w.slots, w.supervised, w.started_at, w.beat_at,
  coalesce(r.count, 0) AS running, w.stats
FROM taskyard.worker w CROSS JOIN (SELECT @now AS us) clock
LEFT JOIN (SELECT worker_id, count(*) AS count FROM taskyard.running GROUP BY worker_id) r ON r.worker_id = w.id
WHERE NOT w.dead AND (
  w.beat_at > us - $2::bigint
  OR EXISTS (SELECT FROM taskyard.claim c WHERE c.worker_id = w.id AND c.expires_at > us))
ORDER BY w.id
