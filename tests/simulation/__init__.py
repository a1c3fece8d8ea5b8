"""A deterministic simulation: the real engine, workers and all, on one store, under faults, in a time of its own."""
