-- Who has worked on a task may look at it afterwards.
CREATE INDEX worked_task ON worked (task_id, person);
