-- How many more tasks each of the limits $1 can take.
SELECT l.key, l.size - (SELECT count(*) FROM taskyard.slot s WHERE s.key = l.key) AS room
FROM taskyard.slot_limit l WHERE l.key = ANY ($1::text[])
