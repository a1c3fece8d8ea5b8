"""Suites for who implements one of Taskyard's contracts; they need pytest, pytest-asyncio and hypothesis."""
