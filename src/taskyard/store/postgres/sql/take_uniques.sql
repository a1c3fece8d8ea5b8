-- Take the keys $2 for the task $1, as far as they are free; those taken.
INSERT INTO taskyard.uniq (key, task_id, fingerprint, expires_at)
SELECT key, $1::bigint, fingerprint, expires_at
FROM unnest($2::bytea[], $3::bytea[], $4::bigint[]) AS u (key, fingerprint, expires_at) ORDER BY key
ON CONFLICT (key) DO NOTHING
RETURNING key
