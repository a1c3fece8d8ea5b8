-- The task $2, a person's at the version $3, goes back to its home queue with fresh budgets; $4 who has mended it, $5 the
-- detail of the attempt that this was, $6 a new input or null, $7 the rarer facts with it.
WITH clock AS MATERIALIZED (SELECT @now AS us),
gone AS (
  DELETE FROM taskyard.open
  WHERE task_id = $2::bigint AND place = @place_assigned AND (attempt + 1) * @span + @line + changes = $3::bigint
  RETURNING task_id, at, attempt + 1 AS attempt, lane_id, claimed_at, due_at,
    CASE assignee_type WHEN 'GROUP' THEN assignee_id END AS group_id
),
home AS (
  INSERT INTO taskyard.lane (queue, home, definition, priority, solo, target, connection)
  SELECT l.home, l.home, l.definition, l.priority, 0, l.target, l.connection FROM taskyard.lane l
  WHERE l.id IN (SELECT lane_id FROM gone)
  ON CONFLICT (queue, home, definition, priority, solo, target, connection) DO UPDATE SET solo = 0
  RETURNING id, priority
),
entering AS MATERIALIZED (
  SELECT g.task_id, us AS ord, h.id AS lane_id, h.priority, g.attempt + 1 AS attempt,
    (SELECT min(s.key) FROM taskyard.task_slot s WHERE s.task_id = g.task_id) AS key
  FROM clock, gone g, home h
),
now_ready AS (
  INSERT INTO taskyard.ready (task_id, ord, lane_id, attempt)
  SELECT task_id, ord, lane_id, attempt FROM entering WHERE key IS NULL
),
now_parked AS (
  INSERT INTO taskyard.parked (task_id, ord, turn, lane_id, attempt, key, fairness_key)
  SELECT e.task_id, e.ord, e.ord - (@head_starts)[e.priority], e.lane_id, e.attempt, e.key, s.fairness_key
  FROM entering e CROSS JOIN LATERAL (
    SELECT fairness_key FROM taskyard.task_slot WHERE task_id = e.task_id AND key = e.key OFFSET 0) s
),
changed AS (
  UPDATE taskyard.task SET input = $6, extra = $7::bytea, revision = revision + 1
  WHERE $6::bytea IS NOT NULL AND id IN (SELECT task_id FROM gone)
),
done AS (
  INSERT INTO taskyard.attempt (task_id, attempt, outcome, started_at, finished_at, run_ms, detail)
  SELECT g.task_id, g.attempt, @outcome_repaired, g.at, us, (us - g.at) / 1000,
    CASE WHEN $6 IS NULL THEN $5::bytea
      ELSE substring($5 FROM 1 FOR length($5) - 1) || convert_to(',"@former_input":', 'UTF8') || t.input || '}'::bytea END
  FROM clock, gone g
  CROSS JOIN LATERAL (SELECT input FROM taskyard.task WHERE id = g.task_id OFFSET 0) t
),
worked AS (
  INSERT INTO taskyard.worked (person, ended_at, task_id, definition, group_id, opened_at, claimed_at, due_at)
  SELECT $4::text, us, task_id, definition, group_id, at, claimed_at, due_at
  FROM gone JOIN taskyard.lane l ON l.id = lane_id, clock ON CONFLICT DO NOTHING
),
event AS (
  INSERT INTO taskyard.outbox (at, type, task_ids, sequences)
  SELECT us, @event_requeued, ARRAY[task_id], ARRAY[attempt * @span + @settled] FROM gone, clock
)
SELECT task_id, key FROM entering
