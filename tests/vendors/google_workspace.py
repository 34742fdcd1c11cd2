"""The Directory API of Google Workspace's Admin SDK.

Follows developers.google.com/workspace/admin/directory/reference/rest/v1/users/list, groups/list,
members/list and developers.google.com/identity/protocols/oauth2/service-account, read on 25 Nov 2026.
Google was not asked. Not confirmed by a page: the reason of the 404.
"""

from dataclasses import dataclass, field
from typing import Any

import jwt

from tests.vendors.vendor import Answer, Asked, Organisation, Record

GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
SCOPES = {
    "https://www.googleapis.com/auth/admin.directory.user.readonly",
    "https://www.googleapis.com/auth/admin.directory.group.readonly",
}
LARGEST = {"users": (100, 500), "groups": (200, 200), "members": (200, 200)}


def room(number: int) -> Record:
    """An entry of /users: a room with an account."""
    return {
        "kind": "admin#directory#user",
        "id": f"1{number:020}",
        "etag": f'"etag-of-{number}"',
        "primaryEmail": f"room-{number}@example.org",
        "suspended": False,
    }


def building(number: int) -> Record:
    """An entry of /groups: a building."""
    return {"id": f"0{number:014}", "email": f"building-{number}@example.org", "name": f"Building {number}"}


@dataclass
class GoogleWorkspace(Organisation):
    """A customer, whose service account acts for `subject`. An empty list is left out of the answer."""

    public_key: Any = None
    account: str = ""
    subject: str = ""
    users: list[Record] = field(default_factory=lambda: [room(n) for n in range(1, 36)])
    groups: list[Record] = field(default_factory=lambda: [building(n) for n in range(1, 13)])

    def answer(self, asked: Asked) -> Answer:
        """Signs in, lists, or gives one object."""
        if asked.path == "/token":
            return self._token(asked)
        if not self.has_bearer(asked):
            return _error(401, "authError")
        match asked.path.removeprefix("/admin/directory/v1").split("/"):
            case [_, "users" | "groups" as kind]:
                if not {"customer", "domain"} & set(asked.query):
                    return _error(400, "badRequest")
                return self._page(asked, getattr(self, kind), kind=kind)
            case [_, "groups", wanted, "members"] if group := self.find(self.groups, wanted):
                return self._page(asked, self.inside(group), kind="members")
            case [_, "users" | "groups" as kind, wanted] if found := self.find(getattr(self, kind), wanted):
                return Answer(found)
        return _error(404, "notFound")

    def member(self, user: Record) -> Record:
        """A member of a group."""
        return {"kind": "admin#directory#member", "id": user["id"], "role": "MEMBER", "type": "USER"}

    def _token(self, asked: Asked) -> Answer:
        form = asked.form
        if form.get("grant_type") != GRANT:
            return Answer({"error": "unsupported_grant_type"}, 400)
        try:
            claims = jwt.decode(
                form.get("assertion", ""),
                self.public_key,
                algorithms=["RS256"],
                audience=f"{self.url}/token",
                issuer=self.account,
                options={"require": ["iss", "scope", "aud", "exp", "iat"]},
            )
        except jwt.InvalidTokenError:
            return Answer({"error": "invalid_grant"}, 400)
        if claims["exp"] - claims["iat"] > 3600 or not set(claims["scope"].split()) <= SCOPES:
            return Answer({"error": "invalid_scope"}, 400)
        if claims.get("sub") != self.subject:
            return Answer({"error": "unauthorized_client"}, 401)
        return Answer({"access_token": self.grant(), "expires_in": 3599, "token_type": "Bearer"})

    def _page(self, asked: Asked, listed: list[Record], *, kind: str) -> Answer:
        default, largest = LARGEST[kind]
        size = int(asked.query.get("maxResults", default))
        if not 1 <= size <= largest:
            return _error(400, "invalid")
        start = int(asked.query.get("pageToken", "page-0").removeprefix("page-"))
        stop = start + min(size, self.largest)
        body: dict[str, Any] = {"kind": f"admin#directory#{kind}"}
        if listed[start:stop]:
            body[kind] = listed[start:stop]
        if stop < len(listed):
            body["nextPageToken"] = f"page-{stop}"
        return Answer(body)


def _error(status: int, reason: str) -> Answer:
    return Answer({"error": {"code": status, "errors": [{"reason": reason}]}}, status)
