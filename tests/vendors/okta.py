"""Okta's Users and Groups API.

Follows developer.okta.com/docs/reference/api/users, /docs/reference/user-query and
/docs/reference/core-okta-api (paging by Link), read on 25 Nov 2026. Okta was not asked.
"""

import re
from dataclasses import dataclass, field

from tests.vendors.vendor import Answer, Asked, Organisation, Record

STATUS = re.compile(r'status eq "([A-Z_]+)"')
LARGEST = {"users": 200, "groups": 200, "members": 1000}


def machine(number: int, *, status: str = "ACTIVE") -> Record:
    """An entry of /users: a machine with an account."""
    return {
        "id": f"00u{number:017}",
        "status": status,
        "profile": {"login": f"robot-{number}@example.org", "displayName": f"Robot {number}"},
    }


def line(number: int) -> Record:
    """An entry of /groups: an assembly line."""
    return {"id": f"00g{number:017}", "type": "OKTA_GROUP", "profile": {"name": f"Line {number}"}}


@dataclass
class Okta(Organisation):
    """An organisation. Deactivated entries are listed only where `search` asks for their status."""

    token: str = ""
    users: list[Record] = field(default_factory=lambda: [machine(n) for n in range(1, 36)])
    groups: list[Record] = field(default_factory=lambda: [line(n) for n in range(1, 13)])
    lagging: set[str] = field(default_factory=set)
    """Ids that the index of `search` does not have yet."""

    def answer(self, asked: Asked) -> Answer:
        """Lists, or gives one object."""
        if asked.headers.get("authorization") != f"SSWS {self.token}":
            return _error(401, "E0000011")
        match asked.path.removeprefix("/api/v1").split("/"):
            case [_, "users"]:
                return self._users(asked)
            case [_, "groups"]:
                return self._page(asked, self.groups, kind="groups")
            case [_, "groups", wanted, "users"] if group := self.find(self.groups, wanted):
                return self._page(asked, self.inside(group), kind="members")
            case [_, "users" | "groups" as kind, wanted] if found := self.find(getattr(self, kind), wanted):
                return Answer(found)
        return _error(404, "E0000007")

    def _users(self, asked: Asked) -> Answer:
        search = asked.query.get("search")
        if search is None:
            active = [one for one in self.users if one["status"] != "DEPROVISIONED"]
            return self._page(asked, active, kind="users")
        terms = [STATUS.fullmatch(term) for term in search.split(" or ")]
        if not all(terms):
            return _error(400, "E0000031")
        wanted = {term[1] for term in terms if term}
        indexed = [one for one in self.users if one["status"] in wanted and one["id"] not in self.lagging]
        return self._page(asked, indexed, kind="users")

    def _page(self, asked: Asked, listed: list[Record], *, kind: str) -> Answer:
        query = dict(asked.query)
        limit = int(query.get("limit", LARGEST[kind]))
        if not 1 <= limit <= LARGEST[kind]:
            return _error(400, "E0000001")
        after = query.pop("after", None)
        # Behind the entry that the cursor names, whether that is still there or not.
        rest = [one for one in listed if after is None or one["id"] > after]
        page = rest[: min(limit, self.largest)]
        links = [f'<{self.link(asked.path, asked.query)}>; rel="self"']
        if len(rest) > len(page):
            links.append(f'<{self.link(asked.path, {**query, "after": page[-1]["id"]})}>; rel="next"')
        return Answer(page, headers=[("Link", link) for link in links])


def _error(status: int, code: str) -> Answer:
    return Answer({"errorCode": code, "errorSummary": "of the test's server"}, status)
