-- Bodies, places and `created` events of new tasks. $2 and $3 are the tasks' tags, $4 to $8 their limits, a row each;
-- then the tasks as @entries. An entry's key is the limit in whose line it begins, or null.
WITH clock AS MATERIALIZED (SELECT @now AS us),
entry AS MATERIALIZED (SELECT * FROM @entries),
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
  INSERT INTO taskyard.parked (task_id, ord, turn, lane_id, key, fairness_key)
  SELECT id, us, us - (@head_starts)[priority], lane_id, key, fairness_key
  FROM entry, clock WHERE run_at IS NULL AND key IS NOT NULL
),
later AS (
  INSERT INTO taskyard.sched (task_id, run_at, lane_id) SELECT id, run_at, lane_id FROM entry WHERE run_at IS NOT NULL
),
tagged AS (
  INSERT INTO taskyard.tag (tag, task_id) SELECT * FROM unnest($2::text[], $3::bigint[]) ON CONFLICT DO NOTHING
),
limited AS (
  INSERT INTO taskyard.task_slot (task_id, key, size, shared, fairness_key)
  SELECT * FROM unnest($4::bigint[], $5::text[], $6::int[], $7::bool[], $8::text[]) ON CONFLICT DO NOTHING
)
INSERT INTO taskyard.outbox (at, type, task_ids, sequences)
SELECT (SELECT us FROM clock), @event_created, array_agg(id), array_agg(@span) FROM entry
