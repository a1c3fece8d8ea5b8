-- Take or keep the role $2 for $4; `since` is when renewals began that have had no gap over $5, whoever made them.
INSERT INTO taskyard.leader AS l (role, holder, until, renewed_at, since)
SELECT $2, $3, us + $4::bigint, us, us FROM (SELECT @now AS us) clock
ON CONFLICT (role) DO UPDATE SET holder = EXCLUDED.holder, until = EXCLUDED.until, renewed_at = EXCLUDED.renewed_at,
  since = CASE WHEN EXCLUDED.renewed_at - l.renewed_at > $5::bigint THEN EXCLUDED.since ELSE l.since END
WHERE l.holder = EXCLUDED.holder OR l.until <= EXCLUDED.renewed_at
RETURNING true
