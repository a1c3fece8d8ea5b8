-- Who may enter, of the lines of the limits $1: in each the first tasks of $2 fairness keys, in turn after the key that
-- was served last. Those that hold slots already may have to stand back, and come on top. Where there are fewer keys,
-- more of each. One index probe a key, however many stand in a line.
WITH RECURSIVE line AS MATERIALIZED (
  SELECT u.key, u.reach, l.served,
    u.reach + (SELECT count(DISTINCT s.fairness_key) FROM taskyard.slot s WHERE s.key = u.key) AS most
  FROM unnest($1::text[], $2::int[]) AS u (key, reach) JOIN taskyard.slot_limit l USING (key) WHERE u.reach > 0
),
walk (key, number, fairness_key, around) AS (
  SELECT key, 0, served, false FROM line
  UNION ALL
  SELECT w.key, w.number + 1, coalesce(ahead.fairness_key, start.fairness_key), w.around OR ahead.fairness_key IS NULL
  FROM walk w
  JOIN line USING (key)
  LEFT JOIN LATERAL (
    SELECT p.fairness_key FROM taskyard.parked p WHERE p.key = w.key AND p.fairness_key > w.fairness_key
    ORDER BY p.fairness_key LIMIT 1) ahead ON true
  LEFT JOIN LATERAL (
    SELECT p.fairness_key FROM taskyard.parked p WHERE p.key = w.key AND ahead.fairness_key IS NULL AND NOT w.around
    ORDER BY p.fairness_key LIMIT 1) start ON true
  WHERE w.number < line.most
    AND CASE WHEN w.around OR ahead.fairness_key IS NULL
      THEN coalesce(ahead.fairness_key, start.fairness_key) <= line.served ELSE true END
),
candidate AS MATERIALIZED (
  SELECT w.key, w.number, w.fairness_key, line.reach, line.most, count(*) OVER (PARTITION BY w.key) AS keys,
    (SELECT count(*) FROM taskyard.slot s WHERE s.key = w.key AND s.fairness_key = w.fairness_key) AS held
  FROM walk w JOIN line USING (key) WHERE w.number > 0
)
SELECT p.task_id, c.key, c.fairness_key, p.turn, c.held, p.number = c.reach / c.keys + 1 AS more, c.keys = c.most AS others,
  ARRAY (SELECT s.key FROM taskyard.task_slot s WHERE s.task_id = p.task_id) AS keys
FROM candidate c
CROSS JOIN LATERAL (
  SELECT task_id, turn, row_number() OVER (ORDER BY turn, task_id) AS number FROM taskyard.parked
  WHERE key = c.key AND fairness_key = c.fairness_key ORDER BY turn, task_id LIMIT c.reach / c.keys + 1) p
ORDER BY c.key, c.number, p.number
