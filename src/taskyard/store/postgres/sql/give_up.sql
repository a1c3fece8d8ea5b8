-- Mark as dead the workers that have not beaten for $2: but only while a leader has renewed without a gap over $3
-- for as long, because after a pause of the database everybody looks dead; and always where nobody leads.
UPDATE taskyard.worker SET dead = true FROM (SELECT @now AS us) clock
WHERE NOT dead AND pid <> 0 AND beat_at <= us - $2::bigint AND (
  $1 IS NOT NULL OR NOT EXISTS (SELECT FROM taskyard.leader)
  OR EXISTS (SELECT FROM taskyard.leader WHERE since <= us - $2 AND renewed_at > us - $3::bigint))
