-- Who has worked on a task may look at it afterwards.
CREATE INDEX worked_task ON taskyard.worked (task_id, person);
