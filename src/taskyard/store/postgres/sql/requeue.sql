-- Out of the dead letters $2 into their home queue, with fresh budgets; $3 is the note's body, $4 a new input or null.
WITH clock AS MATERIALIZED (SELECT @now AS us),
chosen AS MATERIALIZED (
  SELECT task_id FROM taskyard.dead WHERE task_id = ANY ($2::bigint[]) AND NOT discarded ORDER BY task_id FOR UPDATE
),
gone AS (
  DELETE FROM taskyard.dead WHERE task_id IN (SELECT task_id FROM chosen) RETURNING task_id, attempt + 1 AS attempt, lane_id
),
home AS (
  INSERT INTO taskyard.lane (queue, home, definition, priority, solo)
  SELECT DISTINCT l.home, l.home, l.definition, l.priority, false FROM taskyard.lane l
  WHERE l.id IN (SELECT lane_id FROM gone)
  ON CONFLICT (queue, home, definition, priority, solo) DO UPDATE SET solo = false
  RETURNING id, home, definition, priority
),
entering AS MATERIALIZED (
  SELECT g.task_id, us AS ord, h.id AS lane_id, g.attempt,
    (SELECT min(s.key) FROM taskyard.task_slot s WHERE s.task_id = g.task_id) AS key
  FROM clock, gone g
  JOIN taskyard.lane l ON l.id = g.lane_id
  JOIN home h ON h.home = l.home AND h.definition = l.definition AND h.priority = l.priority
),
now_ready AS (
  INSERT INTO taskyard.ready (task_id, ord, lane_id, attempt)
  SELECT task_id, ord, lane_id, attempt FROM entering WHERE key IS NULL
),
now_parked AS (
  INSERT INTO taskyard.parked (task_id, ord, lane_id, attempt, key)
  SELECT task_id, ord, lane_id, attempt, key FROM entering WHERE key IS NOT NULL
),
changed AS (
  UPDATE taskyard.task SET input = $4, revision = revision + 1
  WHERE $4::bytea IS NOT NULL AND id IN (SELECT task_id FROM gone)
),
noted AS (
  INSERT INTO taskyard.note (task_id, sequence, at, type, body)
  SELECT task_id, attempt * @span, us, @event_requeued, $3::bytea FROM gone, clock
),
event AS (
  INSERT INTO taskyard.outbox (at, type, task_ids, sequences)
  SELECT (SELECT us FROM clock), @event_requeued, array_agg(task_id), array_agg(attempt * @span)
  FROM gone HAVING count(*) > 0
)
SELECT task_id, key FROM entering ORDER BY task_id
