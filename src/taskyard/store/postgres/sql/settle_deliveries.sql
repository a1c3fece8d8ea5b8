-- What tries have made of open deliveries; the endpoints and tasks of those that are over.
UPDATE taskyard.delivery d SET status = g.status, tries = g.tries, next_at = g.next_at, log = g.log
FROM unnest($1::bigint[], $2::int[], $3::int[], $4::bigint[], $5::bytea[]) AS g (id, status, tries, next_at, log)
WHERE d.id = g.id AND d.@open
RETURNING CASE WHEN g.next_at IS NULL THEN d.endpoint END, CASE WHEN g.next_at IS NULL THEN d.task_id END
