"""The suite that every connection type must pass.

An implementer's test module gives the fixture `side`, a `Side`: the type, and another side that is there for it. It has
the tests by importing them:

    from taskyard.testing.conformance.connection import *

    @pytest.fixture
    async def side():
        async with a_server() as server:
            yield Side(MyType(house), settings={"port": server.port}, secrets={"password": CANARY}, operation={...})

The suite wants pytest-asyncio. What a type has not, such as secrets, it leaves out of its `Side`.
"""

from taskyard.testing.conformance.connection.calling import TestCalling, TestRefusals
from taskyard.testing.conformance.connection.shapes import TestShapes
from taskyard.testing.conformance.connection.side import CANARY, Kept, Side, call_of

__all__ = ["CANARY", "Kept", "Side", "TestCalling", "TestRefusals", "TestShapes", "call_of"]
