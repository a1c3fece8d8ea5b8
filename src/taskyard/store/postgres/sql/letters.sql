-- Letters with one of the states $1, of the direction $2, the key $3 and the ids $4 where these are given, beyond the id
-- $5 if there is one; $6 at most.
SELECT id, direction, event_id, status, at, key, reason, tries, body, facts FROM taskyard.letter
WHERE status = ANY ($1::text[]) AND ($2::text IS NULL OR direction = $2) AND ($3::text IS NULL OR key = $3)
  AND ($4::bigint[] IS NULL OR id = ANY ($4)) AND ($5::bigint IS NULL OR id @beyond $5)
ORDER BY id @order LIMIT $6::int
