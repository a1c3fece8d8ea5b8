"""Kubernetes: a container runs as a job, followed over the cluster's REST API."""
