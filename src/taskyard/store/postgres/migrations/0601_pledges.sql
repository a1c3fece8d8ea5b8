-- Which tasks are being given to whom: they count among what people have until the attempt that gives them has ended.
CREATE TABLE taskyard.pledge (task_id bigint PRIMARY KEY, attempt int NOT NULL, person text COLLATE "C" NOT NULL);
