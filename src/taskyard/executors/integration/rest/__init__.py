"""REST: calls to HTTP APIs, with their ways to prove who calls and to page through what they have."""
