INSERT INTO taskyard.line (task_id, sequence, at, level, text)
SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::text[], $5::text[]) ON CONFLICT DO NOTHING
