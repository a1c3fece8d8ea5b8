-- The parked tasks $1, in this order, take their slots and become ready, in the places they had; but nobody stands
-- before those admitted earlier under the same of the limits $2, which are shared and end at the places $3. In the
-- lines $4 the fairness keys $5 were served last. The caller has locked the tasks' limits. OFFSET 0 keeps look-ups from
-- becoming joins over all there is.
WITH gone AS (
  DELETE FROM taskyard.parked WHERE task_id = ANY ($1::bigint[]) RETURNING *
),
entering AS MATERIALIZED (
  SELECT g.task_id, g.lane_id, g.attempt, g.failures, g.losses,
    CASE WHEN e.key IS NULL THEN g.ord
      ELSE greatest(e.tail, max(g.ord - a.number) OVER (PARTITION BY e.key ORDER BY a.number)) + a.number END AS ord
  FROM unnest($1) WITH ORDINALITY AS a (task_id, number)
  JOIN gone g USING (task_id)
  LEFT JOIN LATERAL (
    SELECT t.key, t.tail FROM taskyard.task_slot s JOIN unnest($2::text[], $3::bigint[]) AS t (key, tail) USING (key)
    WHERE s.task_id = g.task_id OFFSET 0) e ON true
),
held AS (
  INSERT INTO taskyard.slot (key, fairness_key, task_id)
  SELECT s.key, s.fairness_key, gone.task_id FROM gone CROSS JOIN LATERAL (
    SELECT key, fairness_key FROM taskyard.task_slot WHERE task_id = gone.task_id OFFSET 0) s
  ON CONFLICT DO NOTHING
),
entered AS (
  INSERT INTO taskyard.ready (task_id, ord, lane_id, attempt, failures, losses, keyed)
  SELECT task_id, ord, lane_id, attempt, failures, losses, true FROM entering
),
lowered AS (
  UPDATE taskyard.lane l SET floor = e.ord FROM (SELECT lane_id, min(ord) AS ord FROM entering GROUP BY lane_id) e
  WHERE l.id = e.lane_id AND l.floor > e.ord
),
served AS (
  UPDATE taskyard.slot_limit l SET served = u.fairness_key FROM unnest($4::text[], $5::text[]) AS u (key, fairness_key)
  WHERE l.key = u.key AND l.served <> u.fairness_key
)
SELECT count(*) FROM gone
