-- New deliveries, each due at once unless another is open for its endpoint and task, or comes before it here.
WITH given AS MATERIALIZED (
  SELECT * FROM unnest($2::bigint[], $3::text[], $4::text[], $5::bigint[], $6::bigint[], $7::text[], $8::text[],
    $9::bytea[], $10::text[]) AS u (id, endpoint, owner, task_id, pos, event, event_id, body, url)
),
placed AS (
  SELECT *, row_number() OVER (PARTITION BY endpoint, task_id ORDER BY pos) = 1
    AND (SELECT 1 FROM taskyard.delivery d
      WHERE d.endpoint = given.endpoint AND d.task_id = given.task_id AND d.@open LIMIT 1) IS NULL AS first
  FROM given
)
INSERT INTO taskyard.delivery (id, endpoint, owner, task_id, pos, event, event_id, body, url, status, tries, next_at, log)
SELECT id, endpoint, owner, task_id, pos, event, event_id, body, url, 1, 0, CASE WHEN first THEN @now END, '[]'
FROM placed
