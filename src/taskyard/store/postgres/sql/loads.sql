-- How many open tasks each of the persons $1 has: what they have claimed, what is theirs without a claim, and what they
-- are being given, but for the task $2.
SELECT person, sum(count)::bigint FROM (
  SELECT claimed_by AS person, count(*) AS count FROM taskyard.open WHERE claimed_by = ANY ($1::text[])
  GROUP BY claimed_by
  UNION ALL
  SELECT assignee_id, count(*) FROM taskyard.open
  WHERE assignee_type = 'USER' AND assignee_id = ANY ($1) AND claimed_by IS NULL
  GROUP BY assignee_id
  UNION ALL
  SELECT person, count(*) FROM taskyard.pledge p
  WHERE person = ANY ($1) AND task_id IS DISTINCT FROM $2::bigint AND NOT taskyard.has_ended(p.task_id, p.attempt)
  GROUP BY person
) counted
GROUP BY person
