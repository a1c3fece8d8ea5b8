"""How people log in with a password."""

from __future__ import annotations

from typing import Final

import msgspec

from taskyard.contracts.logins import Login
from taskyard.store.sqlite.base import Base, Connection

_SAVE: Final = (
    "INSERT INTO login (person, hashed, scopes) SELECT ?1, ?2, ?3 WHERE EXISTS (SELECT 1 FROM person WHERE id = ?1) "
    "ON CONFLICT (person) DO UPDATE SET hashed = excluded.hashed, "
    "scopes = CASE WHEN ?4 THEN login.scopes ELSE excluded.scopes END RETURNING scopes"
)
_LOGIN: Final = "SELECT hashed, scopes FROM login WHERE person = ?1 AND EXISTS (SELECT 1 FROM person WHERE id = ?1)"
_REMOVE: Final = "DELETE FROM login WHERE person = ?"


class Logins(Base):
    """The facet of the same name."""

    async def save_login(self, login: Login, *, as_before: bool = False) -> Login | None:
        """See the contract."""
        given = (login.person, login.hashed, msgspec.json.encode(login.scopes), as_before)
        row = await self.db.write(lambda c: c.execute(_SAVE, given).fetchone())
        return None if row is None else login._replace(scopes=_scopes(row[0]))

    async def login(self, person_id: str) -> Login | None:
        """See the contract."""

        def run(connection: Connection) -> Login | None:
            row = connection.execute(_LOGIN, (person_id,)).fetchone()
            return None if row is None else Login(person_id, row[0], _scopes(row[1]))

        return await self.db.read(run)

    async def remove_login(self, person_id: str) -> bool:
        """See the contract."""
        return await self.db.write(lambda c: c.execute(_REMOVE, (person_id,)).rowcount > 0)

    async def has_logins(self) -> bool:
        """See the contract."""
        return bool(await self.db.read(lambda c: c.execute("SELECT 1 FROM login LIMIT 1").fetchone()))


def _scopes(encoded: bytes) -> tuple[str, ...]:
    return tuple(msgspec.json.decode(encoded))
