"""Logging in with a browser: by a password that was given in the browser, and at an OpenID provider."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from playwright.async_api import Page, expect

from taskyard.security.oidc import OpenIdClient, OpenIdLogins
from tests.api.yard import listening
from tests.servers.openid import CLIENT_ID, CLIENT_SECRET, Provider
from tests.ui.house import PATIENCE, House, house_of, violations, visit, watched
from tests.ui.test_house import looks

pytestmark = pytest.mark.asyncio(loop_scope="module")

PASSWORD = "<correct> horse & battery"


@contextlib.asynccontextmanager
async def stranger(house: House, *expected: int) -> AsyncIterator[Page]:
    """A page of somebody who is not logged in."""
    context = await house.browser.new_context(base_url=house.url, locale="en-GB")
    context.set_default_timeout(PATIENCE)
    async with watched(context, expected) as page:
        yield page


@contextlib.asynccontextmanager
async def with_provider(house: House) -> AsyncIterator[tuple[House, Provider]]:
    """Another server of the yard, where people log in at an OpenID provider."""
    made: list[Provider] = []

    def make(port: int) -> Any:
        made.append(Provider(port))
        return made[0].app

    async with listening(make):
        rights = {"ops": ["tasks:read"]}
        ours = OpenIdClient(
            made[0].issuer, CLIENT_ID, CLIENT_SECRET, "openid profile", "sub", "groups", rights, "Example"
        )
        logins = OpenIdLogins(ours, lambda: house.yard.app.egress, time.time)
        async with house_of(house.yard, house.gates, house.browser, openid=logins) as other:
            yield other, made[0]


async def give_password(house: House, user: str) -> None:
    """In the browser, with the right to read tasks."""
    async with visit(house) as page:
        await page.goto("/admin/people")
        await page.get_by_role("button", name="Enter a person").click()
        dialog = page.get_by_role("dialog")
        await dialog.get_by_label("Name in tokens").fill(user)
        await dialog.get_by_label("New password").fill(PASSWORD)
        await dialog.get_by_label("What they may do by it").fill("tasks:read")
        assert not await looks(page, "a password to give")
        await dialog.get_by_role("button", name="Enter a person").click()
        await expect(page.locator("tbody tr", has_text=user)).to_be_visible()


async def test_a_password_given_in_the_browser_logs_in_until_who_has_it_logs_out(house: House) -> None:
    await give_password(house, "kim")
    async with stranger(house, 401) as page:
        await page.goto("/admin/run?q=state:failed")
        await expect(page.get_by_role("heading", name="Log in to Taskyard")).to_be_visible()
        await page.get_by_label("Name").fill("kim")
        await page.get_by_label("Password").fill("wrong")
        await page.get_by_role("button", name="Log in").click()
        await expect(page.get_by_role("alert")).to_contain_text("is wrong")
        await expect(page.get_by_label("Name")).to_have_value("kim")
        await expect(page.get_by_label("Password")).to_be_focused()
        assert not await looks(page, "a login that was refused")
        await page.keyboard.type(PASSWORD)
        await page.keyboard.press("Enter")
        await expect(page).to_have_url(re.compile(r"/admin/run\?q=state"))
        await expect(page.get_by_role("link", name="Connections")).to_have_count(0)
        await page.get_by_role("button", name="Log out").click()
        await expect(page).to_have_url(re.compile("/login"))
        await page.goto("/admin/run")
        await expect(page).to_have_url(re.compile("/login"))


async def test_a_password_that_is_given_anew_leaves_to_somebody_what_they_may(house: House) -> None:
    await give_password(house, "max")
    async with visit(house) as page:
        await page.goto("/admin/people")
        await page.get_by_role("button", name="Change max").click()
        dialog = page.get_by_role("dialog")
        await dialog.get_by_label("New password").fill(PASSWORD * 2)
        await expect(dialog.get_by_label("What they may do by it")).to_have_value("tasks:read")
        await dialog.get_by_role("button", name="Change").click()
        await expect(dialog).to_have_count(0)
    assert (await house.ask("GET", "/api/v1/users/max"))["login"] == {"scopes": ["tasks:read"]}


@pytest.mark.parametrize(("chosen", "systems"), [("dark", "light"), ("light", "dark")])
async def test_the_login_is_in_the_theme_that_was_chosen(house: House, chosen: Any, systems: Any) -> None:
    async with visit(house, color_scheme=systems) as page:
        await page.goto("/admin/settings")
        await page.get_by_label(chosen.capitalize()).check()
        await page.get_by_role("button", name="Log out").click()
        await expect(page).to_have_url(re.compile("/login"))
        await expect(page.get_by_role("button", name="Log in")).to_be_visible()
        await expect(page.locator("html")).to_have_css("color-scheme", chosen)
        assert not await violations(page)


async def test_who_a_provider_knows_comes_back_to_the_page_that_was_asked_for(house: House) -> None:
    await give_password(house, "lee")
    async with with_provider(house) as (other, provider), stranger(other, 401, 403) as page:
        await page.goto("/admin/run?q=state:failed")
        await page.get_by_text("Log in with a token").click()
        assert not await looks(page, "all logins there are")
        provider.claims["groups"] = ["nobody"]
        await page.get_by_role("link", name="Log in with Example").click()
        await expect(page.get_by_role("alert")).to_contain_text("may do nothing here")
        provider.claims["groups"] = ["ops"]
        await page.get_by_role("link", name="Log in with Example").click()
        await expect(page).to_have_url(re.compile(r"/admin/run\?q=state"))
        await expect(page.get_by_role("heading", name="Runs")).to_be_visible()
        await page.get_by_role("button", name="Log out").click()
        await expect(page.get_by_role("link", name="Log in with Example")).to_be_visible()
