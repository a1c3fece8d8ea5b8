"""Registered Python functions: inline, in a thread, or in a process."""
