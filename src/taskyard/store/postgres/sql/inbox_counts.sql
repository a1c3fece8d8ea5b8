-- How many open tasks the person $1 with the groups $2 has in each view, and how many of theirs were due before $3; $4:
-- what they are called among candidates.
WITH own AS (
  SELECT due_at, claimed_by FROM taskyard.open WHERE claimed_by = $1::text
  UNION ALL
  SELECT due_at, claimed_by FROM taskyard.open
  WHERE assignee_type = 'USER' AND assignee_id = $1 AND claimed_by IS NULL
),
shared AS (
  SELECT due_at, claimed_by FROM taskyard.open WHERE assignee_type = 'GROUP' AND assignee_id = ANY ($2::text[])
    AND (candidates IS NULL OR candidates && $4::text[])
),
mine AS (
  SELECT count(*) AS mine, count(claimed_by) AS claimed, count(*) FILTER (WHERE due_at < $3::bigint) AS overdue FROM own
),
theirs AS (
  SELECT count(*) AS groups, count(*) FILTER (WHERE claimed_by IS NULL) AS unclaimed,
    count(*) FILTER (WHERE claimed_by IS NULL AND due_at < $3) AS overdue FROM shared
)
SELECT mine + unclaimed AS open, mine, claimed, groups, unclaimed, mine.overdue + theirs.overdue AS overdue
FROM mine, theirs
