"""Where people and groups are looked up: in our own store, or at a user service."""
