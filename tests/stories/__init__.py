"""What Taskyard does, told from the outside: through the Python API and real processes, on both stores."""
