"""Telling people: what happens to manual tasks is noted for whom it concerns, and carried to them by tasks."""
