"""Every way to page against a real API, from the first request to the warehouse."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from dlt.pipeline.exceptions import PipelineStepFailed

from directory_sync.api.page import Page
from directory_sync.errors import DirectorySyncError, EnvelopeError, SnapshotError, find_error
from directory_sync.landing.files import MANIFEST, REPORT
from tests.integration.cycle import Cycle
from tests.paged_api import LINKED, PAGINATORS, SENTINEL, PagedApi
from tests.postgres import PostgresServer

TRUSTED = {"removals": "trusted"}
LARGE_LIMITS = {f"max_removed_share{period}": 0.5 for period in ("", "_7_days", "_30_days")} | {
    "max_small_share": 0.5
}


@pytest.fixture
def api() -> Iterator[PagedApi]:
    with PagedApi(list(range(100, 135))) as api:
        yield api


@pytest.fixture
def deploy(api: PagedApi, tmp_path: Path, postgres: PostgresServer | None) -> Callable[..., Cycle]:
    """A deployment that reads the API in one of its ways."""

    def deploy_one(
        style: str, *, shards: int = 1, resource: Any = None, settings: Any = None, **paginator: Any
    ) -> Cycle:
        api.style = style
        return Cycle(
            url=api.url,
            home=tmp_path,
            endpoint={"paginator": {**PAGINATORS[style], **paginator}},
            resource=resource or {},
            settings=settings or {},
            shards=shards,
            postgres=postgres,
        )

    return deploy_one


def refuse_to_read(offset: int) -> Page:
    raise AssertionError("the audit cannot read such pages")


def failure(cycle: Cycle, run_id: str = "one") -> DirectorySyncError:
    with pytest.raises(PipelineStepFailed) as caught:
        cycle.extract(run_id)
    error = find_error(caught.value)
    assert error is not None
    assert SENTINEL not in str(caught.value)
    return error


@pytest.mark.parametrize("style", PAGINATORS)
def test_a_directory_is_published_whole_however_it_is_paged(
    api: PagedApi, deploy: Callable[..., Cycle], style: str
) -> None:
    cycle = deploy(style)
    report = cycle.run("one")
    proof = "reread" if style == "page_number" else "walk"
    assert (report.entries, report.changes["added"], report.completeness.proof) == (35, 35, proof)
    assert cycle.ids() == set(api.ids)
    assert cycle.query("SELECT proof, entries FROM directory_syncs") == [(proof, 35)]
    manifest = cycle.landed("one").read_json(MANIFEST)
    landed = cycle.landed("one").read_json(REPORT)
    assert manifest is not None
    assert landed is not None
    assert (manifest["seal"]["proof"], landed["proof"]) == (proof, proof)
    assert any(line.startswith("proof") and proof in line for line in report.lines())
    assert ("not proven" in report.headline()) == (proof == "walk")


@pytest.mark.parametrize("style", ["page_number", "cursor"])
def test_one_shard_reads_and_the_others_ask_nothing(
    api: PagedApi, deploy: Callable[..., Cycle], style: str
) -> None:
    deploy(style).extract("one")
    alone = list(api.asked)
    api.asked.clear()
    cycle = deploy(style, shards=3)
    cycle.extract("two")
    assert api.asked == alone
    assert api.tokens == 2
    assert cycle.audit("two").entries == 35


@pytest.mark.parametrize("style", ["page_number", "cursor"])
def test_an_unchanged_directory_changes_nothing(deploy: Callable[..., Cycle], style: str) -> None:
    cycle = deploy(style)
    cycle.run("one")
    assert cycle.run("two").changes_nothing


def test_numbered_pages_with_ids_that_ascend_remove_at_the_first_absence(
    api: PagedApi, deploy: Callable[..., Cycle]
) -> None:
    cycle = deploy("page_number")
    cycle.run("one")
    api.ids.remove(112)
    report = cycle.run("two")
    assert (report.completeness.order, report.changes["removed"], report.holds.held) == ("observed", 1, 0)


def test_numbered_pages_in_another_order_need_two_absences(
    api: PagedApi, deploy: Callable[..., Cycle]
) -> None:
    api.ids.sort(key=lambda i: i % 7)
    cycle = deploy("page_number")
    cycle.run("one")
    api.ids.remove(112)
    first, second = cycle.run("two"), cycle.run("three")
    assert (first.completeness.order, first.holds.held) == ("assumed", 0)
    assert [(r.changes["missing"], r.changes["removed"]) for r in (first, second)] == [(1, 0), (0, 1)]
    assert cycle.ids("_removed_at IS NOT NULL") == {112}


def test_a_numbered_page_that_becomes_wholly_hidden_removes_nobody_visible(
    api: PagedApi, deploy: Callable[..., Cycle]
) -> None:
    """The page's own ten are absent for as long as they are hidden; those behind it never are."""
    api.ids[:] = range(100, 200)
    cycle = deploy("page_number", settings=LARGE_LIMITS)
    assert cycle.run("one").completeness.order == "observed"
    api.hidden = set(range(140, 150))
    first, second = cycle.run("two"), cycle.run("three")
    assert [(r.entries, r.completeness.order) for r in (first, second)] == [(90, "assumed")] * 2
    assert [[f.rule for f in r.findings if f.rule == "hidden_pages"] for r in (first, second)] == [
        ["hidden_pages"]
    ] * 2
    assert [(r.changes["missing"], r.changes["removed"]) for r in (first, second)] == [(10, 0), (0, 10)]
    assert cycle.ids("_removed_at IS NOT NULL") == api.hidden
    api.hidden = set()
    assert cycle.run("four").changes["returned"] == 10


@pytest.mark.parametrize("style", ["cursor", "single_page"])
def test_what_a_walk_lacks_is_held_for_a_person(
    api: PagedApi, deploy: Callable[..., Cycle], style: str
) -> None:
    cycle = deploy(style)
    cycle.run("one")
    api.ids.remove(112)
    api.ids.append(200)
    first, second = cycle.run("two"), cycle.run("three")
    assert [f.level for f in first.findings if f.rule == "unproven_walk"] == ["hold"]
    message = next(f.message for f in first.findings if f.rule == "unproven_walk")
    assert "nothing proves" in message
    assert all(key in message for key in ("`detail_path`", "`removals: confirmed`", "`removals: trusted`"))
    assert (first.changes["added"], first.holds.newly_held, first.holds.held) == (1, 1, 1)
    assert (second.holds.newly_held, second.holds.held, second.changes_nothing) == (0, 1, True)
    assert cycle.ids("_removed_at IS NOT NULL") == set()
    assert cycle.ids("_missing_since IS NOT NULL") == {112}


def test_what_a_walk_lacks_is_asked_for_where_there_is_a_path_of_one_entry(
    api: PagedApi, deploy: Callable[..., Cycle]
) -> None:
    """The walk proves nothing; the path does, and nobody is asked to decide."""
    cycle = deploy("cursor", resource={"detail_path": "/v1/directory/{id}"})
    cycle.run("one")
    api.ids.remove(112)
    api.ids.remove(113)
    api.unlisted = {113}
    report = cycle.run("two")
    assert (report.completeness.proof, report.changes["removed"], report.changes["missing"]) == ("walk", 1, 1)
    assert (report.holds.held, report.holds.asks, [f.rule for f in report.findings]) == (
        0,
        False,
        ["details"],
    )
    assert cycle.ids("_removed_at IS NOT NULL") == {112}
    assert cycle.run("three").changes_nothing


def test_a_walk_that_lacks_nobody_holds_nothing(deploy: Callable[..., Cycle]) -> None:
    cycle = deploy("cursor")
    cycle.run("one")
    assert not cycle.run("two").findings


def test_four_leavers_a_night_of_a_walk_need_no_person_where_one_entry_has_a_path(
    api: PagedApi, deploy: Callable[..., Cycle]
) -> None:
    """More of them than a night may ask for: the rest is asked for the night after."""
    api.ids[:] = range(200)
    cycle = deploy(
        "json_link",
        resource={"detail_path": "/v1/directory/{id}"},
        settings={"max_detail_requests": 3},
        next_url_path="['@odata.nextLink']",
    )
    cycle.run("one")
    seen = []
    for night in range(3):
        if night < 2:
            del api.ids[10 * night : 10 * night + 4]
        report = cycle.run(f"night {night}")
        seen.append((report.changes["removed"], report.changes["missing"], report.holds.held))
    assert seen == [(3, 1, 0), (3, 1, 0), (2, 0, 0)]
    assert cycle.ids("_removed_at IS NULL") == set(api.ids)


def test_confirmed_removals_of_a_walk_take_two_snapshots_and_no_person(
    api: PagedApi, deploy: Callable[..., Cycle]
) -> None:
    """Also where the ids ascend: the walk proves nothing."""
    cycle = deploy("cursor", resource={"removals": "confirmed"})
    cycle.run("one")
    api.ids.remove(112)
    api.ids.remove(113)
    first = cycle.run("two")
    assert (first.changes["missing"], first.changes["removed"], first.holds.held) == (2, 0, 0)
    assert not first.findings
    api.ids.insert(13, 113)
    second = cycle.run("three")
    assert (second.changes["returned"], second.changes["removed"], second.holds.held) == (1, 1, 0)
    assert cycle.ids("_removed_at IS NOT NULL") == {112}
    assert cycle.run("four").changes_nothing


def test_confirmed_removals_obey_the_limits(api: PagedApi, deploy: Callable[..., Cycle]) -> None:
    api.ids[:] = range(200)
    cycle = deploy("cursor", resource={"removals": "confirmed"})
    cycle.run("one")
    del api.ids[50:150]
    report = cycle.run("two")
    assert (report.holds.newly_held, report.changes["removed"]) == (100, 0)


def test_a_walk_whose_form_no_longer_confirms_removes_nobody(
    api: PagedApi, deploy: Callable[..., Cycle]
) -> None:
    cycle = deploy("cursor", resource={"removals": "confirmed"})
    cycle.run("one")
    api.ids.remove(112)
    cycle.run("two")
    assert cycle.with_(resource={}).run("three").changes["removed"] == 0


@pytest.mark.parametrize("style", ["cursor", "header_link"])
def test_trusted_removals_of_a_walk_are_done(api: PagedApi, deploy: Callable[..., Cycle], style: str) -> None:
    cycle = deploy(style, resource=TRUSTED)
    cycle.run("one")
    api.ids.remove(112)
    report = cycle.run("two")
    assert (report.completeness.proof, report.changes["removed"], report.holds.held) == ("walk", 1, 0)
    assert cycle.ids("_removed_at IS NOT NULL") == {112}


def test_trusted_removals_of_a_walk_without_an_order_take_two_absences(
    api: PagedApi, deploy: Callable[..., Cycle]
) -> None:
    api.ids.sort(key=lambda i: i % 7)
    cycle = deploy("cursor", resource=TRUSTED)
    cycle.run("one")
    api.ids.remove(112)
    assert [cycle.run(run).changes["removed"] for run in ("two", "three")] == [0, 1]


def test_a_person_decides_on_what_a_walk_lacks(api: PagedApi, deploy: Callable[..., Cycle]) -> None:
    cycle = deploy("cursor")
    cycle.run("one")
    api.ids.remove(112)
    assert cycle.run("two").holds.asks
    question = cycle.ask("two")
    assert question is not None
    assert cycle.remove("two", question).changes["removed"] == 1
    assert cycle.ids("_removed_at IS NOT NULL") == {112}
    third = cycle.run("three")
    assert (third.holds.held, third.changes_nothing, third.findings) == (0, True, ())


def test_a_walk_that_lacks_one_more_each_night_asks_once(api: PagedApi, deploy: Callable[..., Cycle]) -> None:
    cycle = deploy("cursor")
    cycle.run("one")
    asked = []
    for night in range(4):
        del api.ids[3 * night]
        asked.append((cycle.run(f"night {night}").holds.asks, len(cycle.ids("_missing_since IS NOT NULL"))))
    assert asked == [(True, 1), (False, 2), (False, 3), (False, 4)]


def test_trusted_removals_obey_the_limits(api: PagedApi, deploy: Callable[..., Cycle]) -> None:
    api.ids[:] = range(200)
    cycle = deploy("cursor", resource=TRUSTED)
    cycle.run("one")
    del api.ids[50:150]
    report = cycle.run("two")
    assert (report.holds.newly_held, report.changes["removed"]) == (100, 0)


@pytest.mark.parametrize("style", ["page_number", "json_link"])
def test_an_empty_directory_is_held(api: PagedApi, deploy: Callable[..., Cycle], style: str) -> None:
    cycle = deploy(style, resource=TRUSTED if style in LINKED else None)
    cycle.run("one")
    api.ids.clear()
    report = cycle.run("two")
    assert (report.entries, report.holds.newly_held, report.changes["removed"]) == (0, 35, 0)


def test_a_walk_that_disagrees_with_the_total_of_the_api_is_not_published(
    api: PagedApi, deploy: Callable[..., Cycle]
) -> None:
    api.total = 36
    cycle = deploy("cursor", total_path="total")
    cycle.extract("one")
    with pytest.raises(SnapshotError, match=r"states 36 entries, the sealed snapshot .* holds 35"):
        cycle.audit("one")
    api.total = 35
    assert cycle.run("two").entries == 35


def test_a_link_to_another_host_lands_nothing(api: PagedApi, deploy: Callable[..., Cycle]) -> None:
    api.reference = lambda offset: f"http://elsewhere.example.org/?after={offset}"
    cycle = deploy("json_link")
    error = failure(cycle)
    assert isinstance(error, EnvelopeError)
    assert "elsewhere" not in str(error)
    with pytest.raises(SnapshotError, match="clear the run's `extract` tasks"):
        cycle.audit("one")


def test_numbered_pages_are_read_over_while_the_directory_is_edited(
    api: PagedApi, deploy: Callable[..., Cycle]
) -> None:
    def edit(api: PagedApi, query: dict[str, str]) -> None:
        if len(api.asked) in (2, 6, 9):
            api.ids.remove(api.ids[0])

    api.before = edit
    cycle = deploy("page_number")
    report = cycle.run("one")
    assert set(api.ids) <= cycle.ids()
    assert report.completeness.proof == "reread"
