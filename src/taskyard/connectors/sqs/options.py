"""Which queues are ours, and how SQS is reached. Credentials are found as AWS's own tools find them."""

from __future__ import annotations

import contextlib
import re
from collections.abc import AsyncIterator
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

import aiohttp
from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from botocore.exceptions import BotoCoreError, ClientError

from taskyard.calls.sqs import told
from taskyard.contracts.connector import Away
from taskyard.errors import ConfigurationError

AT_ONCE: Final = 10
"""How many messages one call takes; SQS's own limit."""

_AMAZON = re.compile(r"(?:^|\.)(?:sqs\.([a-z0-9-]+)|([a-z0-9-]+)\.queue)\.amazonaws\.com(?:\.cn)?$")
_CONFIG = AioConfig(connect_timeout=5, read_timeout=30, retries={"mode": "standard", "total_max_attempts": 2})


class SqsOptions(NamedTuple):
    """The region, and the addresses of the queues to receive from and to send to; empty for none."""

    region: str
    queue_in: str = ""
    queue_out: str = ""

    @property
    def endpoint(self) -> str:
        """Where SQS is: what the queues' addresses begin with."""
        parts = urlsplit(self.queue_in or self.queue_out)
        return f"{parts.scheme}://{parts.netloc}"

    def check(self) -> SqsOptions:
        """These options. Raises ConfigurationError for addresses that are none, or of another region or place."""
        places = set()
        for name, url in (("SQS_QUEUE_URL", self.queue_in), ("TASKYARD_SQS_OUTPUT_URL", self.queue_out)):
            if url:
                parts = urlsplit(url)
                if parts.scheme not in ("http", "https") or not parts.netloc or len(parts.path) < 2:
                    raise ConfigurationError(f"{name}: {url!r} is no queue's address; it begins with https://")
                host = _AMAZON.search(parts.hostname or "")
                if host is not None and (host[1] or host[2]) != self.region:
                    raise ConfigurationError(f"{name} is in another region than AWS_REGION, {self.region}")
                places.add(parts.netloc)
        if len(places) > 1:
            raise ConfigurationError("SQS_QUEUE_URL and TASKYARD_SQS_OUTPUT_URL must be queues of one SQS")
        return self

    def client(self) -> Any:
        """A client to be entered as a context."""
        return get_session().create_client("sqs", region_name=self.region, endpoint_url=self.endpoint, config=_CONFIG)


@contextlib.asynccontextmanager
async def reaching() -> AsyncIterator[None]:
    """Raises Away for whatever keeps a call from being made or answered."""
    try:
        yield
    except ClientError as error:
        raise Away(told(error.response.get("Error", {}))) from error
    except (BotoCoreError, aiohttp.ClientError, OSError, TimeoutError) as error:
        raise Away(f"{type(error).__name__}: {error}") from error
