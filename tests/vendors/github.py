"""Members and teams of an organisation in GitHub's REST API.

Follows docs.github.com/rest/orgs/members, /rest/teams/teams, /rest/teams/members,
/rest/using-the-rest-api/using-pagination-in-the-rest-api and /rest/authentication, read on 25 Nov 2026.
GitHub was not asked.
"""

from dataclasses import dataclass, field

from tests.vendors.vendor import Answer, Asked, Organisation, Record

ORGANISATION = "example-org"
DEFAULT, LARGEST = 30, 100


def machine(number: int) -> Record:
    """An entry of the members: the account of a machine."""
    return {"id": 1000 + number, "login": f"builder-{number}", "type": "User", "site_admin": False}


def rack(number: int) -> Record:
    """An entry of the teams."""
    return {"id": 70 + number, "slug": f"rack-{number}", "name": f"Rack {number}", "privacy": "closed"}


@dataclass
class GitHub(Organisation):
    """An organisation; members and teams in the order of their ids."""

    token: str = ""
    users: list[Record] = field(default_factory=lambda: [machine(n) for n in range(1, 36)])
    groups: list[Record] = field(default_factory=lambda: [rack(n) for n in range(1, 14)])

    def answer(self, asked: Asked) -> Answer:
        """Lists, or tells whether one is a member."""
        if not asked.headers.get("user-agent"):
            return Answer({"message": "Request forbidden by administrative rules."}, 403)
        if asked.headers.get("authorization") != f"Bearer {self.token}":
            return Answer({"message": "Bad credentials"}, 401)
        match asked.path.removeprefix(f"/orgs/{ORGANISATION}").split("/"):
            case [_, "members"]:
                return self._page(asked, self.users)
            case [_, "members", login]:
                return Answer(None, 204 if login in {one["login"] for one in self.users} else 404)
            case [_, "teams"]:
                return self._page(asked, self.groups)
            case [_, "teams", slug, "members"] if team := self.find(self.groups, slug, by="slug"):
                return self._page(asked, self.inside(team))
        return Answer({"message": "Not Found", "status": "404"}, 404)

    def _page(self, asked: Asked, listed: list[Record]) -> Answer:
        query = dict(asked.query)
        number, size = int(query.pop("page", 1)), min(int(query.get("per_page", DEFAULT)), LARGEST)
        size = min(size, self.largest)
        last = max(1, -(-len(listed) // size))
        places = {"prev": number - 1, "next": number + 1, "last": last, "first": 1}
        rels = ["next", "last"] * (number < last) + ["prev", "first"] * (number > 1)
        links = [f'<{self.link(asked.path, {**query, "page": places[rel]})}>; rel="{rel}"' for rel in rels]
        headers = [("Link", ", ".join(links))] if links else []
        return Answer(listed[(number - 1) * size : number * size], headers=headers)
