-- Change whom or what the task $2, open at the version $3, waits for; noted and told as the event $4 with the body $5.
WITH clock AS MATERIALIZED (SELECT @now AS us),
changed AS (
  UPDATE taskyard.open SET assignee_type = $6, assignee_id = $7, claimed_by = $8, correlation_id = $9, due_at = $10,
    wake_at = $11, sheet = $12, urgency = $13, changes = changes + 1,
    claimed_at = CASE WHEN claimed_by IS NOT DISTINCT FROM $8 THEN claimed_at WHEN $8 IS NOT NULL THEN us END
  FROM clock WHERE task_id = $2::bigint AND (attempt + 1) * @span + @line + changes = $3::bigint
  RETURNING task_id, (attempt + 1) * @span + @line + changes AS sequence
),
noted AS (
  INSERT INTO taskyard.note (task_id, sequence, at, type, body)
  SELECT task_id, sequence, us, $4::smallint, $5::bytea FROM changed, clock
),
event AS (
  INSERT INTO taskyard.outbox (at, type, task_ids, sequences)
  SELECT us, $4, ARRAY[task_id], ARRAY[sequence] FROM changed, clock
)
SELECT sequence FROM changed
