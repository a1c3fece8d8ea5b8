"""Measuring Taskyard on a database of the user's: through the public Python API, with real worker processes."""
