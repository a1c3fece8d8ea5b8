-- The versions with the ids $1, or (where they are null) of the key $2.
SELECT k.id, k.number, k.hash, k.spec, k.created_at, coalesce(d.retired, false)
FROM taskyard.kind k LEFT JOIN taskyard.definition d ON d.key = k.key
WHERE CASE WHEN $1::int[] IS NOT NULL THEN k.id = ANY ($1) ELSE k.key = $2 END
ORDER BY k.key, k.number DESC
