SELECT id, queue, home, definition, priority, solo, target FROM taskyard.lane WHERE id > $1
