-- Raise the lanes' floors to their first task, if that is no longer so new that one might still slip under it; lower
-- those that a late commit has slipped under all the same, which only a look from the beginning ($2) can find.
-- Compared and set, so that a give-back meanwhile is not overwritten.
WITH clock AS MATERIALIZED (SELECT @now AS us),
seen AS MATERIALIZED (
  SELECT l.id, l.floor AS old, least(us - 2000000, head.ord) AS new,
    CASE WHEN head.ord IS NULL THEN 1000000 ELSE 0 END AS step
  FROM clock, taskyard.lane l
  LEFT JOIN LATERAL (
    SELECT ord FROM taskyard.ready WHERE lane_id = l.id AND ord >= CASE WHEN $2::bool THEN 0 ELSE l.floor END
    ORDER BY ord, task_id LIMIT 1
  ) head ON true
)
UPDATE taskyard.lane l SET floor = s.new FROM seen s
WHERE l.id = s.id AND l.floor = s.old AND (s.new < s.old OR s.new > s.old + s.step)
