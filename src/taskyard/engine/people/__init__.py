"""People's work: who gets a manual task, what they do with it, and what time does to it."""
