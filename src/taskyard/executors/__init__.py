"""How one kind of implementation runs, a folder or file a kind."""
