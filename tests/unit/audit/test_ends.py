"""How APIs say that nothing follows: lists of every size around a page, read over real HTTP and sealed."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from directory_sync.api.client import DirectoryClient
from directory_sync.api.rate import RequestRate
from directory_sync.audit.pages_seal import accept_walk, verify_rereads
from directory_sync.audit.windows_seal import seal_windows as seal
from directory_sync.config.access import ApiSettings
from directory_sync.config.form import Resource
from directory_sync.config.paginator import parse_pages
from directory_sync.errors import ApiError
from directory_sync.extract.linked import LinkedReader
from directory_sync.extract.numbered import NumberedReader
from directory_sync.extract.plan import Shard
from directory_sync.extract.windows import ShardReader
from tests.simulation import snapshot_of
from tests.wire import Answer, WireServer, http

LIMIT = 100
SIZES = (0, 1, 2, 99, 100, 101)
OFFSET: dict[str, Any] = {"type": "offset", "limit": LIMIT, "total_path": "count"}
NUMBERED = {"type": "page_number", "base_page": 1, "total_path": "pages"}
CURSOR = {"type": "cursor", "cursor_path": "next", "cursor_param": "after"}


@dataclass(frozen=True)
class Nothing:
    """What is answered where no entry is left.

    Attributes:
        body: of a 200, beside the total where there is one.
        status: instead of a 200, without a body.
        at_first: it answers the first request too, where the list is empty; else that is an empty list.
        total: all answers state it.
    """

    body: Any = None
    status: str = ""
    at_first: bool = True
    total: bool = False


NOTHINGS = {
    "an empty list": Nothing({"data": []}),
    "null": Nothing({"data": None}),
    "null beside a total": Nothing({"data": None}, total=True),
    "the list left out": Nothing({}, total=True),
    "204": Nothing(status="204 No Content"),
    "404": Nothing(status="404 Not Found", at_first=False),
    "410": Nothing(status="410 Gone", at_first=False),
    "416": Nothing(status="416 Range Not Satisfiable", at_first=False),
}


class Endings(WireServer):
    """A list of so many entries that pages by offset, by number and by cursor."""

    def __init__(self) -> None:
        super().__init__()
        self.size, self.nothing = 0, Nothing({"data": []})

    def respond(self, head: bytes) -> Answer:
        method, target, _ = head.split(b"\r\n", 1)[0].decode().split(" ")
        if method == "POST":
            return super().respond(head)
        query = {name: int(values[0]) for name, values in parse_qs(urlsplit(target).query).items()}
        numbered = (query["page"] - 1) * LIMIT if "page" in query else 0
        start = query.get("offset", query.get("after", numbered))
        stop = min(self.size, start + query.get("limit", LIMIT))
        total = {"count": self.size, "pages": -(-self.size // LIMIT)} if self.nothing.total else {}
        if start < stop:
            data = [{"id": number} for number in range(start, stop)]
            # As many an API does, it gives a cursor behind the last full page.
            more = {"next": stop} if stop - start == LIMIT else {}
            return http({"data": data, **total, **more})
        if start == 0 and not self.nothing.at_first:
            return http({"data": []})
        if self.nothing.status:
            return http(b"", status=self.nothing.status)
        return http({**self.nothing.body, **total})


@pytest.fixture(scope="module")
def endings() -> Iterator[Endings]:
    with Endings() as server:
        yield server


def entries_of(url: str, paginator: dict[str, Any], folder: Path) -> int | None:
    """Reads the list by one shard, and seals it; returns how many entries it has."""
    pages = parse_pages(paginator, where="resource `people`")
    resource = Resource(name="people", path="/v1/directory", selector=("data",), pages=pages)
    api = ApiSettings(base_url=url, client_id="one", client_secret="secret", timeout_seconds=5.0)
    rate = RequestRate(sleep=lambda seconds: None)
    with closing(DirectoryClient(api, resource, rate=rate, sleep=lambda seconds: None)) as client:
        if paginator is OFFSET:
            reader = ShardReader(client.page, Shard(number=0, count=1), limit=LIMIT, in_flight=1)
            snapshot = snapshot_of(folder, *reader.pages())
            seal(snapshot, client.page)
        elif paginator is NUMBERED:
            numbered = NumberedReader(client.page, base_page=1, page_param="page", name="people")
            snapshot = snapshot_of(folder, *numbered.pages())
            verify_rereads(snapshot, base_page=1)
        else:
            snapshot = snapshot_of(folder, *LinkedReader(client, pages).pages())
            accept_walk(snapshot)
        return snapshot.distinct_ids()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("nothing", NOTHINGS.values(), ids=NOTHINGS)
@pytest.mark.parametrize("paginator", [OFFSET, NUMBERED], ids=["offset", "page_number"])
def test_a_list_of_any_size_is_read_whole_and_sealed(
    endings: Endings, tmp_path: Path, paginator: dict[str, Any], nothing: Nothing, size: int
) -> None:
    endings.size, endings.nothing = size, nothing
    assert entries_of(endings.url, paginator, tmp_path) == size


@pytest.mark.parametrize("size", [0, 99, 100, 200])
@pytest.mark.parametrize("nothing", ["an empty list", "null", "204"])
def test_a_walk_may_end_with_an_answer_without_entries(
    endings: Endings, tmp_path: Path, nothing: str, size: int
) -> None:
    endings.size, endings.nothing = size, NOTHINGS[nothing]
    assert entries_of(endings.url, CURSOR, tmp_path) == size


@pytest.mark.parametrize("paginator", [OFFSET, NUMBERED, CURSOR], ids=lambda given: given["type"])
def test_a_path_that_is_wrong_is_no_empty_directory(
    endings: Endings, tmp_path: Path, paginator: dict[str, Any]
) -> None:
    endings.size, endings.nothing = 0, Nothing(status="404 Not Found")
    with pytest.raises(ApiError, match="answered 404"):
        entries_of(endings.url, paginator, tmp_path)
