INSERT INTO taskyard.lane (queue, home, definition, priority, solo, target, connection)
SELECT * FROM unnest($1::smallint[], $2::smallint[], $3::text[], $4::smallint[], $5::smallint[], $6::text[], $7::text[])
ORDER BY 1, 2, 3, 4, 5, 6, 7
ON CONFLICT DO NOTHING
