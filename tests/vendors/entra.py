"""Microsoft Entra ID, as Microsoft Graph v1.0 gives it.

Follows learn.microsoft.com/graph/paging, /graph/api/user-list, /graph/api/group-list-members and
learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow, read on 25 Nov 2026.
Microsoft was not asked. Not confirmed by a page: the code of the 404.
"""

from dataclasses import dataclass, field

from tests.vendors.vendor import Answer, Asked, Organisation, Record

TENANT = "contoso.onmicrosoft.com"
SCOPE = "https://graph.microsoft.com/.default"
LARGEST = 999


def machine(number: int) -> Record:
    """An entry of /users: a machine with an account."""
    return {
        "id": f"6e7b768e-07e2-4810-8459-{number:012}",
        "displayName": f"Milling machine {number}",
        "userPrincipalName": f"mill-{number}@contoso.example",
        "accountEnabled": True,
    }


def hall(number: int) -> Record:
    """An entry of /groups: a hall with machines."""
    return {"id": f"02bd9fd6-8f93-4758-87c3-{number:012}", "displayName": f"Hall {number}"}


@dataclass
class Entra(Organisation):
    """A tenant; its pages may be empty before the list ends, as the second one here is."""

    client: tuple[str, str] = ("", "")
    users: list[Record] = field(default_factory=lambda: [machine(n) for n in range(1, 36)])
    groups: list[Record] = field(default_factory=lambda: [hall(n) for n in range(1, 14)])

    def answer(self, asked: Asked) -> Answer:
        """Signs in, lists, or gives one object."""
        if asked.path == f"/{TENANT}/oauth2/v2.0/token":
            return self._token(asked)
        if not self.has_bearer(asked):
            return _error(401, "InvalidAuthenticationToken")
        match asked.path.removeprefix("/v1.0").split("/"):
            case [_, "users"]:
                return self._page(asked, self.users)
            case [_, "groups"]:
                return self._page(asked, self.groups)
            case [_, "groups", wanted, "members"] if group := self.find(self.groups, wanted):
                return self._page(asked, self.inside(group))
            case [_, "users" | "groups" as kind, wanted] if found := self.find(getattr(self, kind), wanted):
                return Answer(found)
        return _error(404, "Request_ResourceNotFound")

    def member(self, user: Record) -> Record:
        """What the form selects of a member."""
        return {"@odata.type": "#microsoft.graph.user", "id": user["id"]}

    def _token(self, asked: Asked) -> Answer:
        form = asked.form
        if asked.method != "POST" or form.get("grant_type") != "client_credentials":
            return Answer({"error": "unsupported_grant_type"}, 400)
        if form.get("scope") != SCOPE:
            return Answer({"error": "invalid_scope"}, 400)
        if (form.get("client_id"), form.get("client_secret")) != self.client:
            return Answer({"error": "invalid_client"}, 401)
        return Answer({"token_type": "Bearer", "expires_in": 3599, "access_token": self.grant()})

    def _page(self, asked: Asked, listed: list[Record]) -> Answer:
        query = dict(asked.query)
        top = int(query.get("$top", 100))
        if not 1 <= top <= LARGEST or "$skip" in query:
            return _error(400, "Request_UnsupportedQuery")
        # The token: how many were given, and whether this page is empty.
        given, _, is_empty = query.pop("$skiptoken", "0").partition("-")
        start = int(given)
        stop = start if is_empty else start + min(top, self.largest)
        body = {"@odata.context": f"{self.url}/v1.0/$metadata", "value": listed[start:stop]}
        if stop < len(listed):
            token = f"{stop}-empty" if stop == self.largest and not is_empty else f"{stop}"
            body["@odata.nextLink"] = self.link(asked.path, {**query, "$skiptoken": token})
        if select := query.get("$select"):
            names = {"@odata.type", *select.split(",")}
            body["value"] = [{k: v for k, v in one.items() if k in names} for one in listed[start:stop]]
        return Answer(body)


def _error(status: int, code: str) -> Answer:
    return Answer({"error": {"code": code, "message": "of the test's server"}}, status)
