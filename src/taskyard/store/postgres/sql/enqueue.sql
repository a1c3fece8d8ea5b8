-- Bodies, places and `created` events of the new tasks @entries. An entry's key is the limit in whose line it begins, or
-- null. @besides is for those that wait, or bring tags or limits.
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
)
@besides
INSERT INTO taskyard.outbox (at, type, task_ids, sequences)
SELECT (SELECT us FROM clock), @event_created, array_agg(id), array_agg(@span) FROM entry
