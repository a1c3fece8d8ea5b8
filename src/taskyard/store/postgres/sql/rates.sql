-- By queue: tasks added and dispatched in the last $2 seconds. An id carries its milliseconds above its low 22 bits.
WITH since AS MATERIALIZED (SELECT @now - $2::bigint * 1000000 AS us),
named AS MATERIALIZED (
  SELECT k.id, h.home FROM taskyard.kind k
  JOIN (SELECT DISTINCT definition, home FROM taskyard.lane) h ON h.definition = k.key
),
added AS (
  SELECT n.home AS queue, count(*) AS count FROM taskyard.task t JOIN named n ON n.id = t.kind_id
  WHERE t.id >= (SELECT us / 1000 << 22 FROM since) GROUP BY 1
),
begun AS (
  SELECT task_id FROM taskyard.attempt WHERE started_at >= (SELECT us FROM since)
  UNION ALL SELECT task_id FROM taskyard.running WHERE claimed_at >= (SELECT us FROM since)
),
dispatched AS (
  SELECT n.home AS queue, count(*) AS count FROM begun b
  CROSS JOIN LATERAL (SELECT kind_id FROM taskyard.task WHERE id = b.task_id OFFSET 0) t
  JOIN named n ON n.id = t.kind_id GROUP BY 1
)
SELECT q.id, coalesce(a.count, 0), coalesce(d.count, 0)
FROM taskyard.queue q LEFT JOIN added a ON a.queue = q.id LEFT JOIN dispatched d ON d.queue = q.id
