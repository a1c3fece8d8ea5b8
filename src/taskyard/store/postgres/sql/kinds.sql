-- The versions with the ids $1, or of the key $2, or (where both are null) the current ones.
SELECT k.id, k.number, k.hash, k.spec, k.created_at, coalesce(d.retired, false)
FROM taskyard.kind k LEFT JOIN taskyard.definition d ON d.key = k.key
WHERE CASE WHEN $1::int[] IS NOT NULL THEN k.id = ANY ($1) WHEN $2::text IS NOT NULL THEN k.key = $2
  ELSE d.kind_id = k.id END
ORDER BY k.key, k.number DESC
