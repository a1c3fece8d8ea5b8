SELECT t.id, t.kind_id, t.policy_id, t.priority, t.workflow_id, t.correlation_id, t.cause_type, t.cause, t.parent_id,
  t.hash, t.input, t.extra, t.revision
FROM unnest($1::bigint[]) AS u (id)
CROSS JOIN LATERAL (SELECT * FROM taskyard.task WHERE id = u.id OFFSET 0) t
ORDER BY t.id
