"""The suite that every connector must pass.

An implementer's test module gives the far side, and has the tests by importing them:

    from taskyard.testing.conformance.connector import *

    @pytest.fixture
    async def far() -> AsyncIterator[FarSide]: ...

For one that only sends, import `from taskyard.testing.conformance.connector.publishing` alone.
"""

from taskyard.testing.conformance.connector.publishing import TestPublishing, connector
from taskyard.testing.conformance.connector.receiving import TestReceiving

__all__ = ["TestPublishing", "TestReceiving", "connector"]
