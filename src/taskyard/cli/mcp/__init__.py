"""The Model Context Protocol, revision 2025-06-18, over stdin and stdout: tasks as tools of an assistant."""
