SELECT u.number, l.id
FROM unnest($1::smallint[], $2::smallint[], $3::text[], $4::smallint[], $5::smallint[], $6::text[], $7::text[]) WITH ORDINALITY
  AS u (queue, home, definition, priority, solo, target, connection, number)
JOIN taskyard.lane l USING (queue, home, definition, priority, solo, target, connection)
ORDER BY u.number
