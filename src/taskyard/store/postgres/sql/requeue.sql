-- Out of the dead letters $2 into their home queue, with fresh budgets; $3 is the note's body, $4 a new input or null,
-- $5 how long each of $2 is to wait first, $6 its rarer facts with the new input.
WITH clock AS MATERIALIZED (SELECT @now AS us),
chosen AS MATERIALIZED (
  SELECT task_id FROM taskyard.dead WHERE task_id = ANY ($2::bigint[]) AND NOT discarded ORDER BY task_id FOR UPDATE
),
gone AS (
  DELETE FROM taskyard.dead WHERE task_id IN (SELECT task_id FROM chosen) RETURNING task_id, attempt + 1 AS attempt, lane_id
),
home AS (
  INSERT INTO taskyard.lane (queue, home, definition, priority, solo, target, connection)
  SELECT DISTINCT l.home, l.home, l.definition, l.priority, 0, l.target, l.connection FROM taskyard.lane l
  WHERE l.id IN (SELECT lane_id FROM gone)
  ON CONFLICT (queue, home, definition, priority, solo, target, connection) DO UPDATE SET solo = 0
  RETURNING id, home, definition, priority, target, connection
),
entering AS MATERIALIZED (
  SELECT g.task_id, us AS ord, h.id AS lane_id, h.priority, g.attempt, w.delay,
    (SELECT min(s.key) FROM taskyard.task_slot s WHERE s.task_id = g.task_id) AS key
  FROM clock, gone g
  JOIN unnest($2, $5::bigint[]) AS w (task_id, delay) ON w.task_id = g.task_id
  JOIN taskyard.lane l ON l.id = g.lane_id
  JOIN home h ON h.home = l.home AND h.definition = l.definition AND h.priority = l.priority
    AND h.target = l.target AND h.connection = l.connection
),
now_ready AS (
  INSERT INTO taskyard.ready (task_id, ord, lane_id, attempt)
  SELECT task_id, ord, lane_id, attempt FROM entering WHERE key IS NULL AND delay = 0
),
later AS (
  INSERT INTO taskyard.sched (task_id, run_at, lane_id, attempt)
  SELECT task_id, ord + delay, lane_id, attempt FROM entering WHERE delay > 0
),
now_parked AS (
  INSERT INTO taskyard.parked (task_id, ord, turn, lane_id, attempt, key, fairness_key)
  SELECT e.task_id, e.ord, e.ord - (@head_starts)[e.priority], e.lane_id, e.attempt, e.key, s.fairness_key
  FROM entering e CROSS JOIN LATERAL (
    SELECT fairness_key FROM taskyard.task_slot WHERE task_id = e.task_id AND key = e.key OFFSET 0) s
  WHERE e.delay = 0
),
changed AS (
  UPDATE taskyard.task SET input = $4, extra = w.extra, revision = revision + 1
  FROM unnest($2, $6::bytea[]) AS w (task_id, extra)
  WHERE $4::bytea IS NOT NULL AND id = w.task_id AND id IN (SELECT task_id FROM gone)
),
noted AS (
  INSERT INTO taskyard.note (task_id, sequence, at, type, body)
  SELECT g.task_id, g.attempt * @span, us, @event_requeued,
    CASE WHEN $4 IS NULL THEN $3::bytea
      ELSE substring($3 FROM 1 FOR length($3) - 1) || convert_to(',"@former_input":', 'UTF8') || t.input || '}'::bytea END
  FROM clock, gone g
  CROSS JOIN LATERAL (SELECT input FROM taskyard.task WHERE id = g.task_id OFFSET 0) t
),
event AS (
  INSERT INTO taskyard.outbox (at, type, task_ids, sequences)
  SELECT (SELECT us FROM clock), @event_requeued, array_agg(task_id), array_agg(attempt * @span)
  FROM gone HAVING count(*) > 0
)
SELECT task_id, CASE WHEN delay = 0 THEN key END AS key FROM entering ORDER BY task_id
