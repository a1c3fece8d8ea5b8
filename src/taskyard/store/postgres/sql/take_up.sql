-- The task $2 goes out of the dead letters to a person, if it is there since the attempt $12; $3 is the note's body,
-- $4 to $11 whose it is.
WITH clock AS MATERIALIZED (SELECT @now AS us),
gone AS (
  DELETE FROM taskyard.dead WHERE task_id = $2::bigint AND attempt = $12::int AND NOT discarded
  RETURNING task_id, attempt, lane_id
),
opened AS (
  INSERT INTO taskyard.open (task_id, at, place, lane_id, attempt, failures, losses, assignee_type, assignee_id,
    claimed_by, correlation_id, due_at, wake_at, sheet, urgency)
  SELECT task_id, us, @place_assigned, lane_id, attempt, 0, 0, $4::text, $5::text, $6::text, $7::text, $8::bigint,
    $9::bigint, $10::bytea, $11::smallint
  FROM gone, clock
),
noted AS (
  INSERT INTO taskyard.note (task_id, sequence, at, type, body)
  SELECT task_id, (attempt + 1) * @span + @line, us, @event_assigned, $3::bytea FROM gone, clock
),
event AS (
  INSERT INTO taskyard.outbox (at, type, task_ids, sequences)
  SELECT us, @event_assigned, ARRAY[task_id], ARRAY[(attempt + 1) * @span + @line] FROM gone, clock
)
SELECT task_id FROM gone
