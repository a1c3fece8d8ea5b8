"""How people log in with a password."""

from __future__ import annotations

from typing import Final

from taskyard.contracts.logins import Login
from taskyard.store.postgres.base import Base
from taskyard.store.postgres.shapes import decode, encode

_SAVE: Final = (
    "INSERT INTO taskyard.login (person, hashed, scopes) SELECT id, $2::text, $3::bytea "
    "FROM taskyard.person WHERE id = $1::text FOR KEY SHARE "  # who removes the person waits, and sees the login
    "ON CONFLICT (person) DO UPDATE SET hashed = excluded.hashed, "
    "scopes = CASE WHEN $4 THEN login.scopes ELSE excluded.scopes END RETURNING scopes"
)
_LOGIN: Final = (
    "SELECT hashed, scopes FROM taskyard.login WHERE person = $1 AND EXISTS (SELECT FROM taskyard.person WHERE id = $1)"
)
_REMOVE: Final = "DELETE FROM taskyard.login WHERE person = $1 RETURNING true"


class Logins(Base):
    """The facet of the same name."""

    async def save_login(self, login: Login, *, as_before: bool = False) -> Login | None:
        """See the contract."""
        given = (login.person, login.hashed, encode(login.scopes), as_before)
        scopes = await self.db.durable.value(_SAVE, *given)
        return None if scopes is None else login._replace(scopes=tuple(decode(scopes)))

    async def login(self, person_id: str) -> Login | None:
        """See the contract."""
        row = await self.db.relaxed.row(_LOGIN, person_id)
        return None if row is None else Login(person_id, row["hashed"], tuple(decode(row["scopes"])))

    async def remove_login(self, person_id: str) -> bool:
        """See the contract."""
        return bool(await self.db.durable.value(_REMOVE, person_id))

    async def has_logins(self) -> bool:
        """See the contract."""
        return bool(await self.db.relaxed.value("SELECT EXISTS (SELECT FROM taskyard.login)"))
