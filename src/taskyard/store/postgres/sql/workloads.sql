-- What people have to do, by definition and group, and how much of it was due before $1.
SELECT l.definition, CASE o.assignee_type WHEN 'GROUP' THEN o.assignee_id END AS group_id, count(*) AS open,
  count(*) FILTER (WHERE o.assignee_type = 'GROUP' AND o.claimed_by IS NULL) AS unclaimed,
  count(*) FILTER (WHERE o.due_at < $1::bigint) AS overdue, min(o.at) AS oldest_at
FROM taskyard.open o JOIN taskyard.lane l ON l.id = o.lane_id
WHERE o.place = @place_assigned
GROUP BY 1, 2 ORDER BY 1, 2 NULLS FIRST
