-- Everything about the tasks $1, in their order and in one snapshot: body, place, latest attempt, progress.
WITH wanted AS MATERIALIZED (SELECT id, number FROM unnest($1::bigint[]) WITH ORDINALITY AS u (id, number)),
place AS MATERIALIZED (
  SELECT task_id, @place_ready AS kind, ord AS at, attempt, failures, losses, NULL::text AS worker,
    NULL::bigint AS expires_at, NULL::text AS assignee_type, NULL::text AS assignee_id, NULL::text AS claimed_by,
    NULL::bigint AS due_at, NULL::text AS correlation_id, 0 AS changes,
    NULL::bytea AS sheet, NULL::smallint AS urgency
  FROM taskyard.ready WHERE task_id = ANY ($1)
  UNION ALL
  SELECT task_id, CASE WHEN retry THEN @place_retrying ELSE @place_delayed END, run_at, attempt, failures, losses,
    NULL, NULL, NULL, NULL, NULL, NULL, NULL, 0, NULL, NULL
  FROM taskyard.sched WHERE task_id = ANY ($1)
  UNION ALL
  SELECT task_id, @place_parked, ord, attempt, failures, losses, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 0, NULL, NULL
  FROM taskyard.parked WHERE task_id = ANY ($1)
  UNION ALL
  SELECT r.task_id, @place_running, r.claimed_at, r.attempt, r.failures, r.losses, w.name, r.expires_at,
    NULL, NULL, NULL, NULL, NULL, 0, NULL, NULL
  FROM taskyard.running r LEFT JOIN taskyard.worker w ON w.id = r.worker_id WHERE r.task_id = ANY ($1)
  UNION ALL
  SELECT task_id, place, at, attempt, failures, losses, NULL, NULL, assignee_type, assignee_id, claimed_by, due_at,
    correlation_id, changes, sheet, urgency
  FROM taskyard.open WHERE task_id = ANY ($1)
  UNION ALL
  SELECT task_id, @place_dead, at, attempt, failures, losses, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 0, NULL, NULL
  FROM taskyard.dead WHERE task_id = ANY ($1) AND NOT discarded
)
SELECT t.id, t.kind_id, t.policy_id, t.priority, t.workflow_id, t.correlation_id, t.cause_type, t.cause, t.parent_id,
  t.hash, t.input, t.extra, t.revision,
  p.kind, p.at, p.attempt, p.failures, p.losses, p.worker, p.expires_at, p.assignee_type, p.assignee_id, p.claimed_by,
  p.due_at, p.correlation_id, p.changes, p.sheet, p.urgency,
  a.task_id, a.attempt, a.outcome, w.name, a.started_at, a.finished_at, a.run_ms, a.result, a.detail,
  g.sequence, g.at, g.current, g.total, g.action
FROM wanted
CROSS JOIN LATERAL (SELECT * FROM taskyard.task WHERE id = wanted.id OFFSET 0) t
LEFT JOIN place p ON p.task_id = t.id
LEFT JOIN LATERAL (SELECT * FROM taskyard.attempt WHERE task_id = t.id ORDER BY attempt DESC LIMIT 1) a ON true
LEFT JOIN taskyard.worker w ON w.id = a.worker_id
LEFT JOIN LATERAL (SELECT * FROM taskyard.progress WHERE task_id = t.id OFFSET 0) g ON true
ORDER BY wanted.number
