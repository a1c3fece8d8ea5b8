-- Hold the gates $1, in order.
SELECT name, taken_at, full_at FROM taskyard.gate WHERE name = ANY ($1::text[]) ORDER BY name FOR UPDATE
