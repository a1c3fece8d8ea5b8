-- The keys $2 are the task $1's from now on.
UPDATE taskyard.uniq q SET task_id = $1::bigint, fingerprint = u.fingerprint, expires_at = u.expires_at
FROM unnest($2::bytea[], $3::bytea[], $4::bigint[]) AS u (key, fingerprint, expires_at) WHERE q.key = u.key
