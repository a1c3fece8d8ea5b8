SELECT u.number, l.id
FROM unnest($1::smallint[], $2::smallint[], $3::text[], $4::smallint[], $5::smallint[]) WITH ORDINALITY
  AS u (queue, home, definition, priority, solo, number)
JOIN taskyard.lane l USING (queue, home, definition, priority, solo)
ORDER BY u.number
