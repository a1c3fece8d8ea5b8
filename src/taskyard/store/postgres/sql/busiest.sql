-- The $2 persons who have most to do, and how much of it was due before $1.
SELECT coalesce(claimed_by, assignee_id) AS person, count(*) AS open, count(*) FILTER (WHERE due_at < $1::bigint) AS overdue
FROM taskyard.open
WHERE place = @place_assigned AND (claimed_by IS NOT NULL OR assignee_type = 'USER')
GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT $2::int
