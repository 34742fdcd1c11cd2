"""The key of an entry may be any field, one within an object, or several: every stage goes by it."""

from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from directory_sync.errors import ConfigError
from tests.integration.cycle import RESOURCE, Cycle
from tests.integration.listing import Listing
from tests.postgres import PostgresServer


@pytest.fixture
def cycle(listing: Listing, tmp_path: Path, postgres: PostgresServer | None) -> Cycle:
    return Cycle(
        url=listing.url, home=tmp_path / "home", postgres=postgres, settings={"max_removed_count": 3}
    )


@pytest.mark.parametrize(
    ("primary_key", "columns"),
    [("meta.userId", ["meta__user_id"]), (["site", "Number"], ["site", "number"])],
    ids=["one in an object", "several"],
)
def test_a_directory_goes_by_its_key_and_no_other(
    listing: Listing, cycle: Cycle, primary_key: Any, columns: list[str]
) -> None:
    """Changes, removals, a decision and a replay; `id` is a field as any other."""

    def machine(n: int, name: str = "") -> dict[str, Any]:
        place = {"site": f'"s\\{n % 3}\n東', "Number": n - 20, "meta": {"userId": f"m{n}"}}
        return {"id": "the same", "name": name or f"Machine {n}", "tags": [f"t{n}"], **place}

    def key(n: int) -> Any:
        one = machine(n)
        return one["meta"]["userId"] if len(columns) == 1 else parsed.key.of(one)

    def in_table(condition: str) -> list[tuple[Any, ...]]:
        return sorted(cycle.query(f"SELECT {', '.join(columns)} FROM {RESOURCE} WHERE {condition}"))

    def of(*numbers: int) -> list[tuple[Any, ...]]:
        return sorted(parsed.key.values(key(n)) for n in numbers)

    home = cycle.home
    home.mkdir()
    cycle = cycle.with_(resource={"primary_key": primary_key, "order": "stable", "label_field": "name"})
    parsed = cycle.parsed
    listing.entries = [machine(n) for n in range(40)]
    first = cycle.run("one")
    assert (first.changes["added"], first.completeness.order) == (40, "declared")
    listing.entries = [machine(n, "renamed" if n == 7 else "") for n in range(2, 41)]
    second = cycle.run("two")
    assert second.fields.changed_fields == {"name": 1}
    changes = {
        str(key(n)): kind for n, kind in ((0, "removed"), (1, "removed"), (7, "changed"), (40, "added"))
    }
    assert dict(cycle.changes("two")) == changes
    assert in_table("_removed_at IS NOT NULL") == of(0, 1)
    assert in_table("name = 'renamed'") == of(7)
    assert in_table("id = 'the same'") == of(*range(41))
    assert len(cycle.query(f"SELECT 1 FROM {RESOURCE}__tags")) == 41

    listing.entries = [machine(n, "renamed" if n == 7 else "") for n in range(2, 20)]
    assert cycle.run("three").holds.held == 21
    question = cycle.ask("three")
    assert question is not None
    shown = {str(key(n)): f"Machine {n}" for n in range(20, 41)}
    assert len(question.sample) == 20
    assert set(question.sample) < shown.items()
    cycle.remove("three", question)
    assert in_table("_removed_at IS NULL") == of(*range(2, 20))
    assert cycle.run("four").changes_nothing

    tables = cycle.tables()
    cycle.lose_warehouse()
    cycle.replay()
    assert cycle.tables() == tables


def test_absent_entries_are_asked_for_by_all_fields_of_their_key(listing: Listing, cycle: Cycle) -> None:
    cycle.home.mkdir()
    detail = {"primary_key": ["site", "no"], "detail_path": "/v1/directory/{no}/of/{site}"}
    listing.entries = [{"site": f"hall/{n % 2}", "no": n} for n in range(40)]
    listing.entries += [{"site": "x/y", "no": -1}, {"site": "z", "no": -2}]
    cycle = cycle.with_(resource=detail)
    cycle.run("one")
    listing.entries = listing.entries[1:-1]
    paths = {f"{one['no']}/of/{quote(one['site'], safe='')}" for one in listing.entries}
    listing.find = lambda sent: sent in paths
    assert cycle.run("two").changes["removed"] == 2
    assert listing.asked[:2] in (["0/of/hall%2F0", "-2/of/z"], ["-2/of/z", "0/of/hall%2F0"])
    assert cycle.changes("two") == [('["hall/0",0]', "removed"), ('["z",-2]', "removed")]


def test_another_key_is_refused_before_anything_is_written(listing: Listing, cycle: Cycle) -> None:
    cycle.home.mkdir()
    listing.entries = [{"id": n, "code": f"m{n}"} for n in range(40)]
    cycle.run("one")
    tables = cycle.tables()
    listing.entries[0]["code"] = "changed"
    cycle.extract("two")
    cycle.audit("two")
    for key, named in (("code", "`code`"), (["id", "code"], "`id`, `code`")):
        other = cycle.with_(resource={"primary_key": key})
        with pytest.raises(ConfigError, match=f"is {named} now and was `id` in the sync .*another `name`"):
            other.publish("two")
    other.extract("three")
    with pytest.raises(ConfigError, match="is `id`, `code` now and was `id` in the last sync"):
        other.audit("three")
    assert cycle.tables() == tables


def test_a_field_of_the_key_of_another_type_is_refused(listing: Listing, cycle: Cycle) -> None:
    cycle.home.mkdir()
    cycle = cycle.with_(resource={"primary_key": ["site", "number"]})
    listing.entries = [{"site": "a", "number": n} for n in range(40)]
    assert cycle.run("one").origin.id_type == "VARCHAR, BIGINT"
    listing.entries = [{"site": "a", "number": str(n)} for n in range(40)]
    cycle.extract("two")
    with pytest.raises(
        ConfigError, match="are VARCHAR, VARCHAR now and were VARCHAR, BIGINT at the last sync"
    ):
        cycle.audit("two")
