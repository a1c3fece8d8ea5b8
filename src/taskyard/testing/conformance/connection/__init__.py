"""The suite that every connection type must pass.

An implementer's test module gives the fixture `side`, a `Side`: the type, and another side that is there for it. It has
the tests by importing them:

    from taskyard.testing.conformance.connection import *

    @pytest_asyncio.fixture
    async def side(tmp_path):
        async with a_house(tmp_path) as house, a_server() as server:
            settings, secrets = {"port": server.port}, {"password": CANARY}
            yield Side(type=MyType(house), settings=settings, secrets=secrets, operation={...})

The suite wants pytest-asyncio. What a type has not, such as secrets, it leaves out of its `Side`.
"""

from taskyard.testing.conformance.connection.calling import TestCalling, TestRefusals
from taskyard.testing.conformance.connection.house import a_house
from taskyard.testing.conformance.connection.shapes import TestShapes
from taskyard.testing.conformance.connection.side import CANARY, Kept, Side, call_of

__all__ = ["CANARY", "Kept", "Side", "TestCalling", "TestRefusals", "TestShapes", "a_house", "call_of"]
