SELECT id, queue, home, definition, priority, solo FROM taskyard.lane
