-- The figures of the five queues.
WITH clock AS MATERIALIZED (SELECT @now AS us),
waiting AS (
  SELECT l.queue, sum(w.count) AS count, min(w.ord) AS ord FROM (
    SELECT lane_id, count(*) AS count, min(ord) AS ord FROM taskyard.ready GROUP BY lane_id
    UNION ALL SELECT lane_id, count(*), min(ord) FROM taskyard.parked GROUP BY lane_id) w
  JOIN taskyard.lane l ON l.id = w.lane_id GROUP BY l.queue
  UNION ALL SELECT @queue_deadletter, count(*), min(at) FROM taskyard.dead WHERE NOT discarded
),
leased AS (
  SELECT l.queue, count(*) AS count FROM taskyard.running r JOIN taskyard.lane l ON l.id = r.lane_id GROUP BY l.queue
)
SELECT q.id, q.paused, coalesce(w.count, 0)::bigint AS depth, coalesce(r.count, 0) AS in_flight,
  CASE WHEN w.ord IS NOT NULL THEN greatest(us - w.ord, 0) END AS oldest_age, coalesce(b.count, 0) AS running
FROM clock, taskyard.queue q LEFT JOIN waiting w ON w.queue = q.id LEFT JOIN leased r ON r.queue = q.id
LEFT JOIN (SELECT home, count(*) AS count FROM taskyard.busy GROUP BY home) b ON b.home = q.id ORDER BY q.id
