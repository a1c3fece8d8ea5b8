-- How many tasks from the id $1 on are in which state, by kind. COMPLETED is what is nowhere else: those are counted
-- from an index alone, which is the less the more of them there are.
WITH elsewhere AS (
  SELECT t.kind_id, u.state, count(*) AS count
  FROM taskyard.uncompleted u JOIN taskyard.task t ON t.id = u.task_id
  WHERE u.task_id >= $1::bigint AND t.id >= $1
  GROUP BY t.kind_id, u.state
),
every AS (SELECT kind_id, count(*) AS count FROM taskyard.task WHERE id >= $1 GROUP BY kind_id),
completed AS (
  SELECT kind_id, count - coalesce((SELECT sum(e.count) FROM elsewhere e WHERE e.kind_id = every.kind_id), 0) AS count
  FROM every
)
SELECT kind_id, state, count FROM elsewhere
UNION ALL
SELECT kind_id, 'COMPLETED', count::bigint FROM completed WHERE count > 0
