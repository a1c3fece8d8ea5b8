"""Access to Taskyard for commands: one interface, in this process on the store or over HTTP."""

from taskyard.cli.access.contract import Access, Json, Message, Started
from taskyard.cli.access.opening import open_access

__all__ = ["Access", "Json", "Message", "Started", "open_access"]
