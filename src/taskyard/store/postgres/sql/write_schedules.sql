-- Schedules as they have become, those new ($5 = 0) and those that still have the revision they were read with; the
-- ids of those written. The rows are locked in the order of their ids, so that no two writers wait for each other.
WITH given AS MATERIALIZED (
  SELECT * FROM unnest($1::text[], $2::bytea[], $3::bytea[], $4::bigint[], $5::bigint[])
  AS u (id, spec, progress, due_at, revision)
),
locked AS MATERIALIZED (
  SELECT s.id, s.revision FROM taskyard.schedule s
  WHERE s.id IN (SELECT id FROM given WHERE revision > 0) ORDER BY s.id FOR UPDATE
),
changed AS (
  UPDATE taskyard.schedule s
  SET spec = g.spec, progress = g.progress, due_at = g.due_at, revision = s.revision + 1
  FROM given g JOIN locked l ON l.id = g.id AND l.revision = g.revision WHERE s.id = g.id
  RETURNING s.id
),
made AS (
  INSERT INTO taskyard.schedule (id, spec, progress, due_at, revision)
  SELECT id, spec, progress, due_at, 1 FROM given WHERE revision = 0 ORDER BY id
  ON CONFLICT DO NOTHING RETURNING id
)
SELECT id FROM changed UNION ALL SELECT id FROM made
