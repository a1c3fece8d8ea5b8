-- The first $3 dead letters before the id $1, newest first; of the kinds $2, where given.
SELECT task_id FROM taskyard.dead
WHERE NOT discarded AND task_id < $1::bigint AND ($2::int[] IS NULL OR kind_id = ANY ($2))
ORDER BY task_id DESC LIMIT $3::int
