-- Keep the person $1 as $2, in the groups $3.
WITH entered AS (
  INSERT INTO taskyard.membership (group_id, person_id) SELECT name, $1::text FROM unnest($3::text[]) AS g (name)
)
INSERT INTO taskyard.person (id, spec) VALUES ($1, $2::bytea) ON CONFLICT (id) DO UPDATE SET spec = excluded.spec
