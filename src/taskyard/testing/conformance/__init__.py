"""Suites that an implementation of one of Taskyard's contracts must pass; needs pytest, pytest-asyncio and hypothesis."""
