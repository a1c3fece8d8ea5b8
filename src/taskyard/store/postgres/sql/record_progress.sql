-- Reports may come in any order; the furthest counts.
INSERT INTO taskyard.progress AS p (task_id, sequence, at, current, total, action)
SELECT DISTINCT ON (task_id) * FROM unnest(
  $1::bigint[], $2::bigint[], $3::bigint[], $4::float8[], $5::float8[], $6::text[])
  AS u (task_id, sequence, at, current, total, action)
ORDER BY task_id, sequence DESC
ON CONFLICT (task_id) DO UPDATE SET sequence = EXCLUDED.sequence, at = EXCLUDED.at, current = EXCLUDED.current,
  total = EXCLUDED.total, action = EXCLUDED.action
WHERE EXCLUDED.sequence > p.sequence
