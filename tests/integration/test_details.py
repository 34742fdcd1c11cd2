"""`detail_path`: an absent entry is gone only where the path finds those that are there."""

import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import pytest

from directory_sync.audit.report import AuditReport
from directory_sync.errors import ApiError, ApiUnavailableError, AuthError, ConfigError
from sandbox.server import SandboxServer
from tests.integration.cycle import Cycle
from tests.integration.listing import Listing

ONE = "/v1/directory/{id}"
BY_NAME = {"params": {"sort": "name"}}
PLAIN = [f"site{n:04}" for n in range(3_000)]
FORMS = {"/": "a/{}", "%": "{}%", " ": "a {}", "+": "a+{}", ":": "a:{}", "#": "a#{}", "?": "a?{}", "ä": "ä{}"}
SPECIAL = [form.format(n) for form in FORMS.values() for n in range(20)]
LONE = ["a@b", "..", "a//b"]
CAMPUS = [*PLAIN, *SPECIAL, *LONE]
# `make test-all` tries all; unit/audit/test_details.py tells ids of other characters apart.
TRIED = FORMS if os.environ.get("HYPOTHESIS_PROFILE") == "thorough" else {key: FORMS[key] for key in "/%ä"}


@pytest.fixture(scope="module")
def running() -> Iterator[Listing]:
    with Listing() as listing:
        yield listing


@pytest.fixture(scope="module")
def first(running: Listing, tmp_path_factory: pytest.TempPathFactory) -> Cycle:
    running.list_ids(CAMPUS)
    cycle = Cycle(
        url=running.url,
        home=tmp_path_factory.mktemp("campus"),
        endpoint={"paginator": {"type": "offset", "limit": 1000}},
    )
    cycle.run("one")
    return cycle


@pytest.fixture
def listing(running: Listing) -> Listing:
    """A directory whose ids are texts, many of them special in a URL."""
    running.list_ids(CAMPUS)
    running.unlisted, running.find, running.refusal, running.asked = set(), running.has, 404, []
    return running


@pytest.fixture
def campus(listing: Listing, first: Cycle, tmp_path: Path) -> Cycle:
    """A deployment which has published it."""
    return first.copied_to(tmp_path / "campus").with_(resource={"detail_path": ONE})


def hide(listing: Listing, hidden: list[str], *, there: bool = False) -> None:
    """Takes entries out of the list; they are gone, or still `there`."""
    listing.list_ids(set(CAMPUS) - set(hidden))
    listing.unlisted = set(hidden) if there else set()


def audited(cycle: Cycle, *, run: str = "two", mode: str = "sync") -> AuditReport:
    cycle.extract(run)
    return cycle.audit(run, mode=mode)


def rules(report: AuditReport) -> list[str]:
    return [finding.rule for finding in report.findings]


# ---- the answers


def test_an_entry_that_the_path_does_not_find_is_removed(api: SandboxServer, published: Cycle) -> None:
    gone = api.directory.edit(remove=3, seed=1).removed
    report = published.with_(resource={"detail_path": ONE}).run("two")
    assert (report.changes["removed"], report.findings) == (3, ())
    assert published.ids("_removed_at IS NOT NULL") == set(gone)
    # The first, the last and one between are the control.
    assert api.stats.requests[ONE] == {"404": 3, "200": 3}


def test_an_assumed_order_needs_one_absence_where_the_path_proves_it(
    api: SandboxServer, published: Cycle
) -> None:
    api.directory.edit(remove=2, seed=1)
    report = audited(published.with_(resource={"detail_path": ONE}, endpoint=BY_NAME))
    assert (report.completeness.order, report.changes["removed"]) == ("assumed", 2)


def test_an_entry_that_the_path_still_has_is_kept_and_told(listing: Listing, campus: Cycle) -> None:
    hide(listing, PLAIN[:3])
    listing.unlisted = set(PLAIN[:1])
    report = campus.run("two")
    assert (report.changes["missing"], report.changes["removed"]) == (1, 2)
    assert rules(report) == ["details"]
    assert campus.ids("_missing_since IS NOT NULL AND _removed_at IS NULL") == set(PLAIN[:1])
    # However often the list lacks it.
    assert campus.run("three").changes_nothing
    listing.unlisted = set()
    assert campus.run("four").changes["removed"] == 1


def test_nobody_is_asked_for_where_nothing_is_absent_or_all_is_held(listing: Listing, campus: Cycle) -> None:
    audited(campus)
    hide(listing, PLAIN[:200])
    assert audited(campus, run="three").holds.newly_held == 200
    assert listing.asked == []


def test_no_more_than_a_hundred_absent_entries_are_asked_for_in_a_run(
    listing: Listing, campus: Cycle
) -> None:
    hide(listing, PLAIN[:120])
    report = campus.run("two")
    assert (report.changes["removed"], report.changes["missing"]) == (100, 20)
    assert len(listing.asked) < 115
    assert campus.run("three").changes["removed"] == 20


def test_gone_for_good_is_gone(listing: Listing, campus: Cycle) -> None:
    hide(listing, PLAIN[:1])
    listing.refusal = 410
    assert audited(campus).changes["removed"] == 1


@pytest.mark.parametrize(("status", "error"), [(400, ApiError), (403, AuthError), (503, ApiUnavailableError)])
def test_an_answer_that_says_neither_ends_the_audit(
    listing: Listing, campus: Cycle, status: int, error: type[Exception]
) -> None:
    hide(listing, PLAIN[:1])
    listing.refusal = status
    with pytest.raises(error):
        audited(campus)


# ---- the control


@pytest.mark.parametrize(
    ("mode", "path"),
    [
        ("sync", "/v1/directorry/{id}"),
        ("sync", "/v1/{id}"),
        ("sync", "/v1/directory/x{id}"),
        ("dry_run", "/v1/directorry/{id}"),
    ],
)
def test_a_misspelt_path_removes_nobody_and_is_named(
    api: SandboxServer, published: Cycle, path: str, mode: str
) -> None:
    api.directory.edit(remove=3, seed=1)
    with pytest.raises(ConfigError, match=rf"`detail_path` of `directory_resource`, {path}, does not find"):
        audited(published.with_(resource={"detail_path": path}), mode=mode)
    assert published.ids("_removed_at IS NULL AND _missing_since IS NULL") > set(api.directory.ids())


@pytest.mark.parametrize("form", TRIED.values(), ids=TRIED)
def test_a_path_that_mistakes_a_special_character_proves_nothing_of_such_ids(
    listing: Listing, campus: Cycle, form: str
) -> None:
    """Ten entries are hidden from the list and are there; each 404 is the server's own, for their ids."""
    special = [form.format(n) for n in range(20)]
    hide(listing, special[:10], there=True)
    listing.find = lambda sent: unquote(sent) not in special and listing.has(sent)
    with pytest.raises(ConfigError, match=r"does not find entries .* in their ids"):
        audited(campus)


def test_a_mistaken_character_is_an_error_whoever_is_absent(listing: Listing, campus: Cycle) -> None:
    hide(listing, PLAIN[:1])
    listing.find = lambda sent: "%2F" not in sent and listing.has(sent)
    with pytest.raises(ConfigError, match=r"have %2F in their ids"):
        audited(campus)


@pytest.mark.parametrize("lone", LONE)
def test_an_absent_id_unlike_any_present_one_is_not_believed_gone(
    listing: Listing, campus: Cycle, lone: str
) -> None:
    hide(listing, [lone, PLAIN[0]])
    listing.find = lambda sent: unquote(sent) != lone and listing.has(sent)
    report = campus.run("two")
    assert (report.changes["missing"], report.changes["removed"]) == (1, 1)
    assert rules(report) == ["details_unproven"]
    assert campus.run("three").changes_nothing
    assert campus.ids("_missing_since IS NOT NULL AND _removed_at IS NULL") == {lone}


@pytest.mark.parametrize("form", TRIED.values(), ids=TRIED)
def test_an_absent_id_like_a_present_one_is_removed(listing: Listing, campus: Cycle, form: str) -> None:
    hide(listing, [form.format(0)])
    report = audited(campus)
    assert (report.changes["removed"], report.findings) == (1, ())


def test_a_control_that_has_left_since_is_no_error(listing: Listing, campus: Cycle) -> None:
    hide(listing, PLAIN[:1])
    campus.extract("two")
    listing.find = lambda sent: unquote(sent) != max(CAMPUS) and listing.has(sent)
    assert campus.audit("two").changes["removed"] == 1
