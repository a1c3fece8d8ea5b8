-- Of the lanes $1 those in which anybody waits, in the order of claiming, with how many: up to $2 of each.
-- $3 are the priorities' head starts.
SELECT lane.id, (
    SELECT count(*) FROM (
      SELECT FROM taskyard.ready WHERE lane_id = lane.id AND ord >= lane.floor LIMIT wanted.most) seen) AS count
FROM unnest($1::int[], $2::int[]) AS wanted (id, most)
JOIN taskyard.lane USING (id)
JOIN taskyard.queue ON queue.id = lane.queue AND NOT queue.paused
CROSS JOIN LATERAL (
  SELECT ord FROM taskyard.ready WHERE lane_id = lane.id AND ord >= lane.floor ORDER BY ord, task_id LIMIT 1) head
ORDER BY lane.queue <> @queue_retry, head.ord - ($3::bigint[])[lane.priority]
