"""Databases: one statement a call, in a transaction of its own."""
