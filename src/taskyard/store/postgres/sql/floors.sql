-- Raise the lanes' floors to shortly before their first task; lower those that a late commit has slipped under, which
-- only a look from the beginning ($2) can find. Compared and set, so that a give-back meanwhile is not overwritten.
WITH clock AS MATERIALIZED (SELECT @now AS us),
seen AS MATERIALIZED (
  SELECT l.id, l.floor AS old, least(us, head.ord) - 2000000 AS new
  FROM clock, taskyard.lane l
  LEFT JOIN LATERAL (
    SELECT ord FROM taskyard.ready WHERE lane_id = l.id AND ord >= CASE WHEN $2::bool THEN 0 ELSE l.floor END
    ORDER BY ord, task_id LIMIT 1
  ) head ON true
)
UPDATE taskyard.lane l SET floor = s.new FROM seen s
WHERE l.id = s.id AND l.floor = s.old AND (s.new < s.old OR s.new > s.old + 1000000)
