"""Events over plain HTTP: sent to an endpoint; they come in at `POST /api/v1/events/trigger`."""

from taskyard.connectors.http.connector import HttpConnector, HttpOptions

__all__ = ["HttpConnector", "HttpOptions"]
