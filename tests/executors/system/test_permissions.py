from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskyard.domain.permission import Permission, missing, normal_path, parse_permission
from taskyard.errors import Forbidden, ValidationFailed
from taskyard.executors.system.grants import Grants, parse_grants

COVERED = [
    ("http:api.example.com", "http", "API.example.com"),
    ("http:*.example.com", "http", "a.b.example.com"),
    ("http:*", "http", "127.0.0.1"),
    ("mail:*@example.com", "mail", "Ann@Example.com"),
    ("mail:ann@example.com", "mail", "ann@example.com"),
    ("files:read:/srv/in", "files:read", "/srv/in"),
    ("files:read:/srv/in", "files:read", "/srv/in/a/b"),
    ("files:write:/", "files:write", "/x"),
    ("command:/usr/bin/convert", "command", "/usr/bin/convert"),
    ("sql:read:reports", "sql:read", "reports"),
]
NOT_COVERED = [
    ("http:*.example.com", "http", "example.com"),
    ("http:*.example.com", "http", "evilexample.com"),
    ("mail:*@example.com", "mail", "ann@evil.com"),
    ("mail:*@example.com", "mail", "ann@sub.example.com"),
    ("files:read:/srv/in", "files:write", "/srv/in/a"),
    ("files:read:/srv/in", "files:read", "/srv/inside"),
    ("files:read:/srv/in", "files:read", "/srv"),
    ("command:/usr/bin/convert", "command", "/usr/bin/convert2"),
    ("sql:read:reports", "sql:write", "reports"),
    ("sql:read:reports", "sql:read", "reports2"),
]


@pytest.mark.parametrize(("grant", "area", "resource"), COVERED)
def test_what_is_granted(grant: str, area: str, resource: str) -> None:
    assert parse_permission(grant).covers(Permission(area, resource))


@pytest.mark.parametrize(("grant", "area", "resource"), NOT_COVERED)
def test_what_is_not(grant: str, area: str, resource: str) -> None:
    assert not parse_permission(grant).covers(Permission(area, resource))


@pytest.mark.parametrize(
    "text",
    ["", "http", "http:", "ftp:x", "files:/srv", "files:read:srv", "files:read:/srv/../etc", "files:read:/srv/",
     "command:convert", "http:a b", "http:a,b", "*", "*:*"],
)  # fmt: skip
def test_what_is_no_permission_is_refused_and_grants_nothing(text: str) -> None:
    with pytest.raises(ValueError, match="must"):
        parse_permission(text)
    assert parse_grants([text]) == ()


@pytest.mark.parametrize("path", ["", "a", "/a/../b", "/a/./b", "//a", "/a//b", "/a/", "/a\0", "/a\n", "/.."])
def test_a_path_is_whole_and_plain(path: str) -> None:
    assert normal_path(path) is None


@given(st.text(st.sampled_from("ab./\\\0"), max_size=12))
def test_no_path_leads_out_of_a_granted_folder(text: str) -> None:
    path = "/srv/in/" + text
    if normal_path(path) is not None:
        assert parse_permission("files:read:/srv/in").covers(Permission("files:read", path))
        assert ".." not in path.split("/")


def test_all_three_have_to_grant_it_and_the_refusal_names_what_is_missing() -> None:
    one, two = parse_grants(["http:a.example"]), parse_grants(["http:*"])
    Grants(one, None, two).need("http", "a.example")
    Grants(one, two, two).need("http", "a.example")
    for grants, mend in (
        (Grants((), None, two), "implementation.permissions"),
        (Grants(one, (), two), "securityContext.permissions"),
        (Grants(one, None, ()), "TASKYARD_SYSTEM_PERMISSIONS"),
    ):
        with pytest.raises(Forbidden, match=r"http:a\.example") as refused:
            grants.need("http", "a.example")
        assert mend in refused.value.message
    assert missing(Permission("http", "b.example"), a=one, b=None, c=two) == "a"


def test_a_place_is_below_what_the_deployment_grants() -> None:
    grants = Grants(parse_grants(["files:read:/srv/in/deep"]), None, parse_grants(["files:read:/srv"]))
    assert grants.place("files:read", "/srv/in/deep/x") == ("/srv", ("in", "deep", "x"))
    with pytest.raises(ValidationFailed):
        grants.place("files:read", "/srv/in/deep/../x")
