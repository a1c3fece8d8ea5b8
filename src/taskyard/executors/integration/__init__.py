"""Calls to external systems over connections: REST, SOAP, databases, message queues, files and types of others."""
