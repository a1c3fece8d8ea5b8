# ruff: noqa: D102, S101 - the tests' names are the promises
"""Uploaded files and API tokens."""

from __future__ import annotations

from taskyard.contracts.records import Upload
from taskyard.contracts.store import Store
from taskyard.testing.clock import ManualClock
from taskyard.testing.conformance.store.bench import SECOND
from taskyard.testing.conformance.store.fixtures import Suite


class TestUploads(Suite):
    """`save_upload`, `upload` and `uploads`."""

    async def test_a_file_comes_back_as_it_was(self, store: Store, clock: ManualClock) -> None:
        content = bytes(range(256)) * 4000
        upload = Upload("u1", "n\u00e4me.bin", len(content), "ab" * 32, clock.now(), "ada")
        await store.save_upload(upload, content)
        await store.save_upload(upload._replace(id="u2", size=0), b"")
        assert await store.upload("u1") == (upload, content)
        assert await store.upload("u2") == (upload._replace(id="u2", size=0), b"")

    async def test_there_may_be_none(self, store: Store) -> None:
        assert await store.upload("u1") is None

    async def test_descriptions_are_read_without_the_unknown(self, store: Store, clock: ManualClock) -> None:
        uploads = [
            Upload(id_, "a file", 1, "ab" * 32, clock.now(), owner) for id_, owner in [("u1", "ada"), ("u2", "")]
        ]
        for upload in uploads:
            await store.save_upload(upload, b"1")
        assert sorted(await store.uploads(["u2", "nowhere", "u1", "u1"])) == uploads
        assert await store.uploads({"u2"}) == uploads[1:]
        assert await store.uploads([]) == []

    async def test_what_nobody_uses_is_forgotten(self, store: Store, clock: ManualClock) -> None:
        plain = Upload("u1", "a file", 1, "ab" * 32, clock.now(), "ada", "text/plain")
        for id_ in ("u1", "u2", "u3"):
            await store.save_upload(plain._replace(id=id_), b"1", used=id_ == "u2")
        clock.move(10)
        await store.uploads(["u3"])
        assert await store.forget_unused(plain.created_at) == 0
        assert await store.forget_unused(clock.now()) == 1
        assert await store.upload("u1") is None
        assert await store.upload("u2") == (plain._replace(id="u2"), b"1")
        assert await store.upload("u3") == (plain._replace(id="u3"), b"1")


class TestTokens(Suite):
    """`save_token` and `token`."""

    async def test_a_token_stands_for_its_caller(self, store: Store) -> None:
        await store.save_token(b"\x00\xff", {"subject": "ada", "scopes": ["admin"]}, None)
        assert await store.token(b"\x00\xff") == {"subject": "ada", "scopes": ["admin"]}
        assert await store.token(b"other") is None

    async def test_a_token_expires(self, store: Store, clock: ManualClock) -> None:
        await store.save_token(b"hash", {}, clock.now() + 10 * SECOND)
        clock.move(9)
        assert await store.token(b"hash") == {}
        clock.move(1)
        assert await store.token(b"hash") is None

    async def test_a_token_without_an_end_stays(self, store: Store, clock: ManualClock) -> None:
        await store.save_token(b"hash", {}, None)
        clock.move(10 * 365 * 86_400)
        assert await store.token(b"hash") == {}
