"""The suite that every target must pass.

An implementer's test module gives the fixture `place`, a `Place`: the target at work, and its programs, small ones that
every place where code runs can have. It has the tests by importing them:

    from taskyard.testing.conformance.target import *

    @pytest.fixture
    async def place():
        return MyPlace(...)

The suite wants pytest-asyncio. What a place cannot do at all, such as speaking while it runs, it leaves out of `can`.
"""

from taskyard.testing.conformance.target.ending import TestEnding
from taskyard.testing.conformance.target.place import Heard, Place, call_of, target
from taskyard.testing.conformance.target.running import TestRunning, TestStandings

__all__ = ["Heard", "Place", "TestEnding", "TestRunning", "TestStandings", "call_of", "target"]
