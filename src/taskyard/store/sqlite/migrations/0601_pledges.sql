-- Which tasks are being given to whom: they count among what people have until the attempt that gives them has ended.
CREATE TABLE pledge (task_id INTEGER PRIMARY KEY, attempt INTEGER NOT NULL, person TEXT NOT NULL) STRICT;
