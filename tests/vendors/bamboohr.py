"""The employees of BambooHR: the directory, and the list of October 2025.

Follows documentation.bamboohr.com/reference/list-employees, /reference/get-employees-directory and the
changelog of 2 Oct 2025, read on 25 Nov 2026. BambooHR was not asked. Not confirmed by a page: the null behind
the last page.
"""

from dataclasses import dataclass, field

from tests.vendors.vendor import Answer, Asked, Record, Vendor

DEFAULT, LARGEST = 250, 2500


def machine(number: int, *, status: str = "Active") -> Record:
    """An employee: a machine."""
    return {"employeeId": str(number), "displayName": f"Crane {number}", "status": status}


@dataclass
class BambooHR(Vendor):
    """A company. The directory shows active entries only, in one answer; the list shows all of them."""

    key: str = ""
    users: list[Record] = field(default_factory=lambda: [machine(n) for n in range(101, 136)])

    def answer(self, asked: Asked) -> Answer:
        """Lists, or gives one entry."""
        if asked.basic() != (self.key, "x"):
            return Answer(None, 401)
        if "application/json" not in asked.headers.get("accept", ""):
            return Answer("<directory/>", 200, [("Content-Type", "text/xml")])
        match asked.path.removeprefix("/api/v1/employees").split("/"):
            case [""]:
                return self._page(asked)
            case [_, "directory"]:
                active = [one for one in self.users if one["status"] == "Active"]
                shown = [{"id": one["employeeId"], "displayName": one["displayName"]} for one in active]
                return Answer({"fields": [{"id": "displayName", "type": "text"}], "employees": shown})
            case [_, wanted]:
                found = [one for one in self.users if one["employeeId"] == wanted]
                return Answer(found[0]) if found else Answer(None, 404)
        return Answer(None, 404)

    def _page(self, asked: Asked) -> Answer:
        size = int(asked.query.get("page[limit]", DEFAULT))
        if not 1 <= size <= LARGEST:
            return Answer({"error": "page[limit]"}, 400)
        after = int(asked.query.get("page[after]", 0))
        rest = [one for one in self.users if int(one["employeeId"]) > after]
        page = rest[: min(size, self.largest)]
        following = page[-1]["employeeId"] if len(rest) > len(page) else None
        return Answer({"data": page, "meta": {"page": {"nextCursor": following}}})
