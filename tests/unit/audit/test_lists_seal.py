"""The audit proves the lists of a child from their landed answers, whatever the shard says of them."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from directory_sync.api.answer import Entry
from directory_sync.api.page import Page
from directory_sync.audit.job import Audit, Run
from directory_sync.audit.lists_seal import check_lists, seal_lists
from directory_sync.audit.scratch import Snapshot
from directory_sync.config.form import parse_form
from directory_sync.config.limits import RemovalLimits
from directory_sync.config.paging import NumberedPages
from directory_sync.config.settings import SyncSettings
from directory_sync.errors import SnapshotError
from directory_sync.extract.numbered import NumberedReader
from directory_sync.landing.files import LandedFiles
from directory_sync.landing.parents import ListedParent, write_parents
from directory_sync.landing.snapshot import LandedSnapshot
from directory_sync.landing.tables import LISTS, PageColumns, landing_schema

PROVEN = [(0, [1, 2]), (2, []), (0, [1, 2]), (2, []), (0, [1, 2]), (2, []), (0, [1, 2])]
PROVEN += [(102, []), (202, []), (402, [])]
ENDPOINT = {"path": "groups", "data_selector": "data", "paginator": {"type": "offset", "limit": 100}}
RESOURCES = parse_form(
    {
        "client": {"base_url": "https://api.example.com", "auth": {"type": "oauth2"}},
        "resources": [
            {"name": "groups", "endpoint": ENDPOINT},
            {"name": "members", "endpoint": {**ENDPOINT, "path": "groups/{resources.groups.id}"}},
        ],
    }
)


def seal(
    folder, lists, *, parents=2, outcome="read", sync_id="one", total=None, child=RESOURCES[1], size=100
):
    """Seals landed lists, each a list of (offset, ids) in the order of the requests."""
    columns, number = PageColumns(0, child.key, has_parents=True), 0
    for parent, answers in enumerate(lists):
        for answer, (offset, ids) in enumerate(answers):
            number += 1
            at = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=number)
            entries = [Entry(f"[{parent},{one}]", "hash", "{}", ()) for one in ids]
            columns.add(Page(offset, size, entries, total, at), parent=parent, answer=answer)
    said = [
        {"shard": 0, "parent": parent, "parent_sync_id": sync_id, "outcome": outcome}
        for parent in range(len(lists))
    ]
    tables = {"entries": columns.take_entries(), "windows": columns.windows(), "fields": columns.fields()}
    tables["lists"] = pa.Table.from_pylist(said, schema=landing_schema(LISTS))
    for name, table in tables.items():
        pq.write_table(table, folder / f"{name}.parquet")
    files = LandedFiles(**{name: (str(folder / f"{name}.parquet"),) for name in tables})
    parent_landed = LandedSnapshot.local(folder / "groups")
    listed = (
        ListedParent(number=one, sync_id="one", id=one, values={"id": str(one)}, fields={"_groups_id": one})
        for one in range(parents)
    )
    write_parents(parent_landed, "members", listed)
    job = Audit(
        resource=child,
        landed=LandedSnapshot.local(folder / "members"),
        run=Run(run_id="one"),
        settings=SyncSettings(home=folder),
        limits=RemovalLimits(),
        folder=folder,
        parent=RESOURCES[0],
        parent_landed=parent_landed,
    )
    return seal_lists(job, Snapshot(duckdb.connect(), files, child.key), files)


def test_lists_that_their_answers_prove_are_sealed(tmp_path):
    proof = seal(tmp_path, [PROVEN, PROVEN])
    assert (proof.lists, proof.gone, proof.order_is_observed) == (2, 0, True)


@pytest.mark.parametrize("kept", range(len(PROVEN)))
def test_a_list_that_lacks_its_last_answers_is_not_sealed(tmp_path, kept):
    """One alone is not believed for less than all of its evidence."""
    with pytest.raises(SnapshotError, match=r"1 of 2 lists of `members` are not complete"):
        seal(tmp_path, [PROVEN, PROVEN[:kept]])


def test_a_parent_without_a_list_is_missed(tmp_path):
    with pytest.raises(SnapshotError, match=r"1 of 3 lists .* \(1: it was not read\)"):
        seal(tmp_path, [PROVEN, PROVEN], parents=3)


def test_lists_that_were_read_for_another_snapshot_of_the_parent_are_refused(tmp_path):
    with pytest.raises(SnapshotError, match="another snapshot of `groups`"):
        seal(tmp_path, [PROVEN, PROVEN], sync_id="another")


def test_the_reasons_of_the_shards_are_counted(tmp_path):
    with pytest.raises(SnapshotError, match=r"\(2: the API answered 500\)"):
        seal(tmp_path, [PROVEN, PROVEN], outcome="the API answered 500")


def test_a_total_that_contradicts_a_list_that_stands_still_is_no_proof(tmp_path):
    with pytest.raises(SnapshotError, match="another number of entries"):
        seal(tmp_path, [PROVEN, PROVEN], total=3)
    assert seal(tmp_path, [PROVEN, PROVEN], total=2).lists == 2


def test_parents_that_are_gone_need_no_list(tmp_path):
    assert seal(tmp_path, [PROVEN, PROVEN], outcome="gone").gone == 2


@pytest.mark.parametrize(
    ("gone", "lists", "level"), [(1, 1, "warning"), (5, 10, "warning"), (6, 10, "error")]
)
def test_most_parents_of_a_form_cannot_be_gone(tmp_path, gone, lists, level):
    """A `path` and a `detail_path` that are both wrong answer 404 to everything."""
    found = replace(seal(tmp_path, [PROVEN, PROVEN]), gone=gone, lists=lists)
    assert [finding.level for finding in check_lists(found, RESOURCES[1])] == [level]


def test_ids_that_do_not_ascend_leave_the_order_assumed(tmp_path):
    turned = [(offset, ids[::-1]) for offset, ids in PROVEN]
    assert not seal(tmp_path, [PROVEN, turned]).order_is_observed


@pytest.mark.parametrize(("hidden", "is_observed"), [((), True), ((3, 4), False)])
def test_a_hole_in_numbered_pages_leaves_the_order_assumed(tmp_path, hidden, is_observed):
    """The API leaves entries out after it has cut the page, perhaps by mistake."""
    answers = []

    def read(number):
        shown = [one for one in (1, 2, 3, 4, 5)[2 * number : 2 * number + 2] if one not in hidden]
        answers.append((2 * number, shown))
        entries = [Entry(one, "hash", "{}", ()) for one in shown]
        return Page(2 * number, 2, entries, None, datetime(2026, 1, 1, tzinfo=UTC))

    list(NumberedReader(read, base_page=0, page_param="page", name="members").pages())
    numbered = replace(RESOURCES[1], pages=NumberedPages())
    proof = seal(tmp_path, [answers], parents=1, child=numbered, size=2)
    assert proof.order_is_observed == is_observed
