SELECT l.queue, (
    SELECT count(*) FROM taskyard.ready o WHERE o.lane_id = r.lane_id AND (o.ord, o.task_id) < (r.ord, r.task_id))
FROM taskyard.ready r JOIN taskyard.lane l ON l.id = r.lane_id WHERE r.task_id = $1::bigint
