"""Going through the pages of an answer that has several."""

from __future__ import annotations

from typing import Any
from urllib.parse import urljoin, urlsplit

import httpx

from taskyard.contracts.integration import Answer, OperationFailed
from taskyard.domain.expression import evaluate
from taskyard.executors.integration.rest.shapes import Paging


class Pages:
    """The pages so far, and what leads to the next. All together may have `most_bytes`."""

    def __init__(self, paging: Paging, query: list[tuple[str, str]], most_bytes: int) -> None:
        self._paging = paging
        self._query = query
        self._most_bytes = most_bytes
        self._items: list[Any] = []
        self._count = 0
        self._bytes_out = self._bytes_in = 0
        self._status: int | str = 200
        self._more: dict[str, str] = {}
        self._seen: set[str] = set()
        self.next_url: str | None = None
        self.goes_on = True
        self.truncated = False
        if paging.by == "page":
            self._more = {paging.parameter or "page": str(paging.first)}

    def key(self, key: str) -> str:
        """The idempotency key of the next page: each is a request of its own, and the same for all attempts."""
        return f"{key}-{self._count + 1}" if self._count else key

    @property
    def query(self) -> list[tuple[str, str]]:
        """The query of the next page."""
        return [*((name, value) for name, value in self._query if name not in self._more), *self._more.items()]

    def take(self, page: Answer, url: str) -> None:
        """One page more, from `url`. Raises OperationFailed where its items cannot be found, the next is nowhere to
        go, or they are too large together.
        """
        self._bytes_in += page.bytes_in
        if self._bytes_in > self._most_bytes:
            raise OperationFailed(
                f"the pages have more than {self._most_bytes} bytes together; ask for fewer with maxPages",
                reason="too-large",
                retryable=False,
            )
        try:
            found = evaluate(self._paging.items, page.output)
        except ValueError as error:
            raise _unfit(f"the items of a page cannot be found: {error}") from None
        if not isinstance(found, list):
            raise _unfit(f"{self._paging.items!r} finds no list of items in page {self._count + 1}")
        self._items += found
        self._count += 1
        self._status = page.status
        self._bytes_out += page.bytes_out
        self.goes_on = self._leads_on(page, found, url)
        if self.goes_on and (self._count >= self._paging.max_pages or len(self._items) >= self._paging.max_items):
            self.goes_on, self.truncated = False, True
        if len(self._items) > self._paging.max_items:
            self._items, self.truncated = self._items[: self._paging.max_items], True

    def answer(self) -> Answer:
        """All items, as one answer."""
        details = {"pages": self._count, "truncated": self.truncated}
        return Answer(self._status, self._items, details, self._bytes_out, self._bytes_in)

    def _leads_on(self, page: Answer, found: list[Any], url: str) -> bool:
        paging = self._paging
        if paging.by == "link":
            return self._by_link(page, url)
        if paging.by == "cursor":
            return self._by_cursor(page)
        if not found or (paging.page_size is not None and len(found) < paging.page_size):
            return False
        self._more = {paging.parameter or "page": str(paging.first + self._count)}
        return True

    def _by_link(self, page: Answer, base: str) -> bool:
        """By `rel=next` (RFC 8288), on the same origin: our credentials go nowhere else."""
        links = httpx.Response(200, headers={"link": page.details["headers"].get("link", "")}).links
        target = links.get("next", {}).get("url")
        if not target:
            return False
        url = urljoin(base, target)
        if urlsplit(url)[:2] != urlsplit(base)[:2]:
            raise _unfit("the link to the next page leads to another origin")
        self.next_url = url
        return self._is_new(url)

    def _by_cursor(self, page: Answer) -> bool:
        try:
            cursor = evaluate(self._paging.cursor, page.output)
        except ValueError as error:
            raise _unfit(f"what leads to the next page cannot be found: {error}") from None
        if cursor is None or cursor is False or cursor == "":
            return False
        self._more = {self._paging.parameter or "cursor": str(cursor)}
        return self._is_new(str(cursor))

    def _is_new(self, where: str) -> bool:
        if where in self._seen:
            raise _unfit("the pages lead in a circle")
        self._seen.add(where)
        return True


def _unfit(message: str) -> OperationFailed:
    return OperationFailed(message, reason="pages", retryable=False)
