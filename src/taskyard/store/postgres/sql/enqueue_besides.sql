-- What `enqueue` does for tasks that wait, or bring tags ($2 and $3) or limits ($4 to $8), a row each.
, now_parked AS (
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
