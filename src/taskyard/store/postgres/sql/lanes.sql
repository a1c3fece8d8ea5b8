SELECT id, queue, home, definition, priority, solo FROM taskyard.lane WHERE id > $1
