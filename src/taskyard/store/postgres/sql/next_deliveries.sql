-- Of these endpoints and tasks the first open delivery becomes due, where it only waited for those before it.
UPDATE taskyard.delivery d SET next_at = @now
WHERE d.next_at IS NULL AND d.id IN (
  SELECT (SELECT n.id FROM taskyard.delivery n
    WHERE n.endpoint = line.endpoint AND n.task_id = line.task_id AND n.@open ORDER BY n.pos, n.id LIMIT 1)
  FROM (SELECT DISTINCT * FROM unnest($2::text[], $3::bigint[]) AS u (endpoint, task_id)) line)
