"""What the login page offers."""

from __future__ import annotations

import re
from html import escape
from urllib.parse import urlencode

from taskyard.api import texts

_CODE = re.compile("`(.+?)`")

_NAME_FIELDS = (
    f"<label for=user>{texts.FIELDS['user']}</label>"
    '<input id="user" name="user" autocomplete="username" required {}>'
    f"<label for=password>{texts.FIELDS['password']}</label>"
    '<input id="password" type="password" name="password" autocomplete="current-password" required {}>'
)
_OTHER_FIELD = (
    f"<label for=token>{texts.FIELDS['token']}</label>"
    '<input id="token" type="password" name="token" autocomplete="current-password" required{}>'
)
_ABOUT_TOKENS = "<p>" + _CODE.sub(r"<code>\1</code>", texts.WHERE_TOKENS_ARE) + "</p>"


def login_forms(root: str, goal: str, *, with_password: bool, provider: str | None, user: str) -> str:
    """What the server has, as HTML: a provider's login, a password if anybody has one, and tokens, which stand aside
    where there is something else. `user` is the name that was given before, if one was.
    """
    parts = []
    if provider is not None:
        address = f"{root}/login/openid?{urlencode({'next': goal})}"
        parts.append(
            f'<p><a class="button" href="{escape(address)}">{texts.LOG_IN_AT.format(escape(provider))}</a></p>'
        )
    if with_password:
        filled = (f'value="{escape(user)}"', "autofocus") if user else ("autofocus", "")
        parts.append(_form(root, goal, _NAME_FIELDS.format(*filled)))
    by_token = _form(root, goal, _OTHER_FIELD.format("" if parts else " autofocus")) + _ABOUT_TOKENS
    if not parts:
        return by_token
    return "".join(parts) + f"<details><summary>{texts.LOG_IN_OTHERWISE}</summary>{by_token}</details>"


def _form(root: str, goal: str, fields: str) -> str:
    return (
        f'<form method="post" action="{escape(root)}/login">{fields}'
        f'<input type="hidden" name="next" value="{escape(goal)}"><button>{texts.LOG_IN}</button></form>'
    )
