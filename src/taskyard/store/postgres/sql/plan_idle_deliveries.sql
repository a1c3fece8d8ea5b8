-- New deliveries, of these the ones for whose endpoint and task no other is open; each due at once; their ids.
INSERT INTO taskyard.delivery (id, endpoint, owner, task_id, pos, event, event_id, body, url, status, tries, next_at, log)
SELECT id, endpoint, owner, task_id, pos, event, event_id, body, url, 1, 0, @now, '[]'
FROM unnest($2::bigint[], $3::text[], $4::text[], $5::bigint[], $6::bigint[], $7::text[], $8::text[],
  $9::bytea[], $10::text[]) AS u (id, endpoint, owner, task_id, pos, event, event_id, body, url)
WHERE (SELECT 1 FROM taskyard.delivery d
  WHERE d.endpoint = u.endpoint AND d.task_id = u.task_id AND d.@open LIMIT 1) IS NULL
RETURNING id
