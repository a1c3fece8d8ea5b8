"""Camunda 8 (Zeebe): its jobs and user tasks are done as tasks of ours, over its REST API."""
