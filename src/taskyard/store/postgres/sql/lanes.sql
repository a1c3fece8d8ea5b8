SELECT id, queue, home, definition, priority, solo, target, connection FROM taskyard.lane WHERE id > $1
