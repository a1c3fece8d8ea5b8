-- The parked tasks $1 stand in the lines of the limits $2 from now on.
UPDATE taskyard.parked p SET key = u.key FROM unnest($1::bigint[], $2::text[]) AS u (task_id, key)
WHERE p.task_id = u.task_id
