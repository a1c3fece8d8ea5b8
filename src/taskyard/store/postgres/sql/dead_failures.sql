-- Those of them that lie in the dead letters now, which lead: of very many failures few may be left.
SELECT a.task_id, t.kind_id, a.finished_at, a.detail, true
FROM taskyard.dead d
CROSS JOIN LATERAL (
  SELECT task_id, finished_at, detail FROM taskyard.attempt
  WHERE task_id = d.task_id AND attempt = d.attempt AND outcome = @outcome_failed OFFSET 0) a
CROSS JOIN LATERAL (SELECT kind_id FROM taskyard.task WHERE id = d.task_id OFFSET 0) t
WHERE d.task_id >= $1::bigint AND d.task_id < $3::bigint AND NOT d.discarded
ORDER BY d.task_id DESC LIMIT $2::int
