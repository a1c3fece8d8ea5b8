"""The test suite of Taskyard."""
