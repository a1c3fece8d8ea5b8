"""Taskyard over HTTP, sync and async: each verb is written once, as a talk that either client carries out."""

from taskyard.client.asynchronous import AsyncClientRun, AsyncTaskyardClient
from taskyard.client.leases import QueueMessage
from taskyard.client.synchronous import ClientRun, TaskyardClient

__all__ = ["AsyncClientRun", "AsyncTaskyardClient", "ClientRun", "QueueMessage", "TaskyardClient"]
