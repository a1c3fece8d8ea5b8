-- For each endpoint ($2) the first so many ($3) deliveries that are due.
SELECT d.* FROM unnest($2::text[], $3::int[]) AS w (name, size)
CROSS JOIN LATERAL (
  SELECT id, endpoint, owner, task_id, pos, event, event_id, body, url, status, tries, next_at, log
  FROM taskyard.delivery WHERE endpoint = w.name AND next_at <= @now ORDER BY next_at, id LIMIT w.size) d
