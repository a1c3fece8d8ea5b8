-- How many open tasks each of the persons $1 has: what they have claimed, and what is theirs without a claim.
SELECT person, sum(count)::bigint FROM (
  SELECT claimed_by AS person, count(*) AS count FROM taskyard.open WHERE claimed_by = ANY ($1::text[])
  GROUP BY claimed_by
  UNION ALL
  SELECT assignee_id, count(*) FROM taskyard.open
  WHERE assignee_type = 'USER' AND assignee_id = ANY ($1) AND claimed_by IS NULL
  GROUP BY assignee_id
) counted
GROUP BY person
