-- Bodies, places and `created` events of new tasks. $16 is the limit in whose line a task begins, or null; after it
-- the tasks' tags ($17, $18) and limits ($19 to $21), a row each.
WITH clock AS MATERIALIZED (SELECT @now AS us),
entry AS MATERIALIZED (
  SELECT * FROM unnest(
    $2::bigint[], $3::int[], $4::int[], $5::int[], $6::smallint[], $7::bytea[], $8::bigint[], $9::bytea[], $10::text[],
    $11::text[], $12::text[], $13::text[], $14::bigint[], $15::bytea[], $16::text[])
  AS u (id, kind_id, policy_id, lane_id, priority, input, run_at, extra, workflow_id, correlation_id, cause_type,
    cause, parent_id, hash, key)
),
body AS (
  INSERT INTO taskyard.task (
    id, kind_id, policy_id, priority, input, extra, workflow_id, correlation_id, cause_type, cause, parent_id, hash)
  SELECT id, kind_id, policy_id, priority, input, extra, workflow_id, correlation_id, cause_type, cause, parent_id, hash
  FROM entry
),
now_ready AS (
  INSERT INTO taskyard.ready (task_id, ord, lane_id)
  SELECT id, us, lane_id FROM entry, clock WHERE run_at IS NULL AND key IS NULL
),
now_parked AS (
  INSERT INTO taskyard.parked (task_id, ord, lane_id, key)
  SELECT id, us, lane_id, key FROM entry, clock WHERE run_at IS NULL AND key IS NOT NULL
),
later AS (
  INSERT INTO taskyard.sched (task_id, run_at, lane_id) SELECT id, run_at, lane_id FROM entry WHERE run_at IS NOT NULL
),
tagged AS (
  INSERT INTO taskyard.tag (tag, task_id) SELECT * FROM unnest($17::text[], $18::bigint[]) ON CONFLICT DO NOTHING
),
limited AS (
  INSERT INTO taskyard.task_slot (task_id, key, size)
  SELECT * FROM unnest($19::bigint[], $20::text[], $21::int[]) ON CONFLICT DO NOTHING
)
INSERT INTO taskyard.outbox (at, type, task_ids, sequences)
SELECT (SELECT us FROM clock), @event_created, array_agg(id), array_agg(@span) FROM entry
