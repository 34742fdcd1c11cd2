"""Keycloak's Admin REST API.

Follows www.keycloak.org/docs-api/latest/rest-api and the source of UsersResource.java and GroupResource.java,
read on 25 Nov 2026. The project was not asked. Not confirmed: how long a token lives by default.
"""

from dataclasses import dataclass, field
from uuid import NAMESPACE_URL, uuid5

from tests.vendors.vendor import Answer, Asked, Organisation, Record

REALM = "factory"
DEFAULT = 100


def machine(number: int) -> Record:
    """An entry of /users: a machine with an account."""
    return {
        "id": str(uuid5(NAMESPACE_URL, f"machine {number}")),
        "username": f"lathe-{number:03}",
        "enabled": True,
    }


def hall(number: int) -> Record:
    """An entry of /groups."""
    return {
        "id": str(uuid5(NAMESPACE_URL, f"hall {number}")),
        "name": f"hall-{number:02}",
        "path": f"/hall-{number:02}",
        "subGroups": [],
    }


@dataclass
class Keycloak(Organisation):
    """A realm. What the caller may not see is dropped after paging, so pages are short.

    Users and groups are sorted by their names, not by their ids.
    """

    client: tuple[str, str] = ("", "")
    users: list[Record] = field(default_factory=lambda: [machine(n) for n in range(1, 36)])
    groups: list[Record] = field(default_factory=lambda: [hall(n) for n in range(1, 14)])
    hidden: set[str] = field(default_factory=set)

    def answer(self, asked: Asked) -> Answer:
        """Signs in, lists, counts, or gives one object."""
        if asked.path == f"/realms/{REALM}/protocol/openid-connect/token":
            return self._token(asked)
        if not self.has_bearer(asked):
            return Answer({"error": "HTTP 401 Unauthorized"}, 401)
        match asked.path.removeprefix(f"/admin/realms/{REALM}").split("/"):
            case [_, "users"]:
                return self._page(asked, self.users)
            case [_, "users", "count"]:
                return Answer(len(self.users))
            case [_, "groups"]:
                return self._page(asked, self.groups)
            case [_, "groups", wanted, "members"] if group := self.find(self.groups, wanted):
                return self._page(asked, self.inside(group))
            case [_, "users" | "groups" as kind, wanted] if found := self.find(getattr(self, kind), wanted):
                return Answer(found)
        return Answer({"error": "HTTP 404 Not Found"}, 404)

    def _token(self, asked: Asked) -> Answer:
        form = asked.form
        if form.get("grant_type") != "client_credentials":
            return Answer({"error": "unsupported_grant_type"}, 400)
        if (asked.basic() or (form.get("client_id"), form.get("client_secret"))) != self.client:
            return Answer({"error": "unauthorized_client"}, 401)
        return Answer({"access_token": self.grant(), "expires_in": 60, "token_type": "Bearer"})

    def _page(self, asked: Asked, listed: list[Record]) -> Answer:
        first, size = int(asked.query.get("first", 0)), int(asked.query.get("max", DEFAULT))
        page = listed[first : first + size]
        return Answer([one for one in page if one["id"] not in self.hidden])
