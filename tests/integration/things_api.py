"""The API behind `tests/data/of_7c3a3f48.tar.xz`, night by night, and how that data was made.

The archive holds the home of a deployment, its landing zone and its DuckDB file, written by the code of the
commit 7c3a3f48, the last one before formats had numbers. To make it again:

    git worktree add /tmp/old 7c3a3f48
    PYTHONPATH=/tmp/old/plugins:/tmp/old python tests/integration/things_api.py tests/data/of_7c3a3f48.tar.xz
"""

import importlib.util
import sys
import tarfile
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

NIGHTS = ("one", "two", "three", "four", "five", "six")
"""Of these runs the old code published three, audited the fourth and extracted the fifth."""
GONE = range(41, 53)
"""What leaves in the third night, over the limit, and does not come back."""
MADE_AT = datetime(2025, 3, 1, 3, tzinfo=UTC)
DEPLOYMENT: Mapping[str, Any] = {
    "endpoint": {"paginator": {"type": "offset", "limit": 20, "total_path": "total"}},
    # The data keeps its age.
    "settings": {"retention_days": 36_500},
    "directory": "directory_api/directory_sync",
}


def things(night: str) -> list[dict[str, Any]]:
    """Returns what the API lists in a night."""
    since = NIGHTS.index(night)
    return [
        {
            "id": number,
            "name": f"Depot {number}",
            "doors": number % 7 + (since if number % 20 == 0 else 0),
            "place": {"lat": number / 8, "lon": -number / 8, "made": "2019-05-01T00:00:00Z"},
            "tags": [f"row {number % 3}"],
        }
        for number in range(1, 61 + 2 * since)
        if not (since >= 1 and number == 7) and not (since >= 2 and number in GONE)
    ]


def answer(night: str, what: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the answer to one request for a page."""
    offset, listed = int(what["offset"]), things(night)
    return {"data": listed[offset : offset + int(what["limit"])], "total": len(listed)}


def make(archive: Path) -> None:
    """Writes the archive with the code on Python's path."""
    import time_machine

    from directory_sync.config import dlt_provider

    # The code of some commits sets dlt's switches for the whole process.
    getattr(dlt_provider, "quiet_dlt", lambda: None)()
    from tests.integration.cycle import Cycle
    from tests.list_server import Answered, ListServer

    night = "one"
    with (
        tempfile.TemporaryDirectory() as folder,
        time_machine.travel(MADE_AT, tick=True),
        ListServer(lambda asked: Answered(answer(night, asked.what))) as api,
    ):
        home = Path(folder) / "home"
        home.mkdir()
        cycle = Cycle(url=api.url, home=home, **DEPLOYMENT)
        for night in NIGHTS[:3]:
            print(cycle.run(night).headline())
        assert cycle.ask("three")
        night = "four"
        cycle.extract(night)
        print(cycle.audit(night).headline())
        night = "five"
        cycle.extract(night)
        with tarfile.open(archive, "w:xz") as packed:
            packed.add(home, arcname="home")


if __name__ == "__main__":
    print("With the code in", importlib.util.find_spec("directory_sync").origin)  # type: ignore[union-attr]
    make(Path(sys.argv[1]))
