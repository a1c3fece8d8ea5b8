"""What Taskyard does, a verb a file. Each takes the `Engine` first: the store, and what is known of definitions."""
