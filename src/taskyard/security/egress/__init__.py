"""Everything that leaves goes through here: one guard that looks at the address which is connected to."""
