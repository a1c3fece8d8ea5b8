-- The version of the definition $2 with the hash $3, made where it is new; it becomes current.
WITH old AS (
  SELECT id, number, created_at FROM taskyard.kind WHERE key = $2 AND hash = $3::bytea
),
made AS (
  INSERT INTO taskyard.kind (key, number, hash, task_type, tags, spec, created_at)
  SELECT $2, 1 + coalesce((SELECT max(number) FROM taskyard.kind WHERE key = $2), 0), $3, $4, $5::text[], $6::bytea, @now
  WHERE NOT EXISTS (SELECT FROM old)
  RETURNING id, number, created_at
),
found AS (SELECT * FROM old UNION ALL SELECT * FROM made),
current AS (
  INSERT INTO taskyard.definition AS d (key, kind_id) SELECT $2, id FROM found
  ON CONFLICT (key) DO UPDATE SET kind_id = EXCLUDED.kind_id, retired = false
)
SELECT id, number, created_at FROM found
