"""Groups and their members: read, proven, published and removed together."""

import json
import random
import re
import shutil
import threading
from contextlib import suppress

import pytest

from directory_sync.errors import SnapshotError
from directory_sync.publish.learned import fields_of
from tests.groups_api import GroupsApi
from tests.integration.cycle import child_process
from tests.integration.memberships import Memberships

GROUPS = {1: [10, 11, 12], 2: [10, 20], 3: [], 40: [7]}


@pytest.fixture(scope="module")
def running_api():
    with GroupsApi() as api:
        yield api


@pytest.fixture
def api(running_api):
    running_api.reset({key: list(members) for key, members in GROUPS.items()})
    return running_api


@pytest.fixture(scope="module")
def first_night(running_api, tmp_path_factory):
    """A deployment after its first night."""
    running_api.reset({key: list(members) for key, members in GROUPS.items()})
    home = tmp_path_factory.mktemp("first") / "home"
    home.mkdir()
    deployment = Memberships(running_api.url, home, settings={"max_removed_share": 1.0}, shards=2)
    deployment.run("first")
    return deployment


@pytest.fixture
def deployment(first_night, tmp_path):
    shutil.copytree(first_night.home, tmp_path / "home")
    return first_night.with_(home=tmp_path / "home", shards=1)


def test_each_group_s_members_are_in_the_table_under_the_group_s_key(api, deployment):
    assert deployment.present == api.memberships
    assert set(deployment.query("SELECT _groups_id, _groups_name FROM members")) == {
        (group, f"Group {group}") for group in (1, 2, 40)
    }


def test_after_a_table_was_dropped_the_views_of_parent_and_children_are_made_anew(deployment, tmp_path):
    """DuckDB refuses to read a view whose table came anew with other types, though its query is the same."""
    (tmp_path / "work").mkdir()
    with deployment.sync("groups", "any").open_warehouse(tmp_path / "work") as warehouse:
        definition = "SELECT sql FROM duckdb_views() WHERE view_name = 'members_current'"
        [(definition,)] = warehouse._query(definition)
        [digest] = re.findall("by_directory_sync_[0-9a-f]{16}", definition)
        stale = "CREATE OR REPLACE VIEW directory.members_current AS "
        stale += f'SELECT * FROM (SELECT 1 AS old) AS "{digest}"'
        warehouse._execute(stale)
        warehouse._execute("DROP TABLE directory.groups")
        warehouse.forget_dropped_tables()
        for resource in deployment.resources:
            warehouse.create_views(resource, fields_of(resource, warehouse))
        assert warehouse._query("SELECT count(*) FROM directory.members_current WHERE id IS NOT NULL") == [
            (6,)
        ]
        # Once: what stands is left alone from then on.
        warehouse._execute(stale)
        for resource in deployment.resources:
            warehouse.create_views(resource, fields_of(resource, warehouse))
        assert warehouse._query("SELECT * FROM directory.members_current") == [(1,)]


def test_a_member_leaves_one_group_alone_and_a_group_takes_its_memberships_along(api, deployment):
    api.groups[1].remove(10)
    del api.groups[40]
    published = deployment.run("second")
    assert (deployment.present_groups, deployment.present) == ({1, 2, 3}, api.memberships)
    assert (2, 10) in deployment.present
    removed = deployment.query("SELECT id FROM members_changes WHERE kind = 'removed' ORDER BY id")
    assert removed == [("[1,10]",), ("[40,7]",)]
    assert published["members"].origin.parent_sync_id == published["groups"].sync_id

    tables = deployment.cycle.tables()
    deployment.publish("second")
    assert deployment.cycle.tables() == tables
    deployment.cycle.lose_warehouse()
    deployment.with_(url="http://127.0.0.1:9").replay()
    assert deployment.cycle.tables() == tables


def test_the_memberships_of_a_group_that_waits_for_a_person_wait_with_it(api, deployment):
    held = deployment.with_(settings={"max_removed_share": 0.0, "max_removed_count": 0})
    before = api.memberships
    del api.groups[1]
    published = held.run("second")
    assert published["groups"].holds.held == 1
    assert published["members"].changes["removed"] == published["members"].holds.held == 0
    assert (held.present_groups, held.present) == ({1, 2, 3, 40}, before)

    held.approve("groups", "second")
    assert (held.present_groups, held.present) == ({2, 3, 40}, api.memberships)
    held.run("third")
    assert (held.present_groups, held.present) == ({2, 3, 40}, api.memberships)

    tables = held.cycle.tables()
    held.cycle.lose_warehouse()
    held.replay()
    assert held.cycle.tables() == tables


def test_a_group_stays_where_its_memberships_are_over_the_limit(api, deployment):
    """The removal of one group is within the limit; that of its three memberships is not."""
    limited = deployment.with_(settings={"max_removed_share": 1.0, "max_removed_count": 2})
    before = api.memberships
    del api.groups[1]
    published = limited.run("second")
    assert published["groups"].holds.held == 1
    assert (limited.present_groups, limited.present) == ({1, 2, 3, 40}, before)
    limited.approve("groups", "second")
    assert (limited.present_groups, limited.present) == ({2, 3, 40}, api.memberships)


def test_a_group_that_leaves_at_the_second_snapshot_waits_with_its_memberships(api, deployment):
    """They are over the limit when the group is already missing: a person is asked about the group."""
    limited = deployment.with_(
        settings={"max_removed_share": 1.0, "max_removed_count": 2}, groups={"removals": "confirmed"}
    )
    before = api.memberships
    del api.groups[1]
    held = []
    for run in ("second", "third", "fourth"):
        held.append(limited.run(run)["groups"].holds.held)
        assert (limited.present_groups, limited.present) == ({1, 2, 3, 40}, before)
    assert held == [0, 1, 1]
    limited.approve("groups", "fourth")
    assert (limited.present_groups, limited.present) == ({2, 3, 40}, api.memberships)
    tables = limited.cycle.tables()
    limited.cycle.lose_warehouse()
    limited.replay()
    assert limited.cycle.tables() == tables


def test_a_person_is_asked_about_memberships_of_a_group_that_left_without_them(api, deployment):
    """The form had no members for a night, and those of the group are over the limit."""
    before = api.memberships
    del api.groups[1]
    alone = Memberships(deployment.url, deployment.home, settings=deployment.settings, children=())
    alone.run("second")
    limited = deployment.with_(settings={"max_removed_share": 1.0, "max_removed_count": 2})
    for run in ("third", "fourth"):
        assert limited.run(run)["members"].holds.held == 3
        assert limited.present == before
    limited.approve("members", "fourth")
    assert limited.present == api.memberships


def test_a_group_that_waits_for_one_child_keeps_its_entries_of_the_other(api, deployment):
    """Its three members are over the limit, its two owners are not."""
    two = deployment.with_(
        children=("members", "owners"), owners={"processing_steps": [{"filter": lambda row: row["id"] != 12}]}
    )
    two.run("zero")
    two = two.with_(settings={"max_removed_share": 1.0, "max_removed_count": 2})

    def owners():
        return set(two.query("SELECT _groups_id, id FROM owners WHERE _removed_at IS NULL"))

    before, owners_before = two.present, owners()
    assert owners_before == before - {(1, 12)}
    del api.groups[1]
    assert two.run("second")["groups"].holds.held == 1
    assert (two.present, owners()) == (before, owners_before)
    two.approve("groups", "second")
    assert two.present == owners() == api.memberships


def test_nothing_is_published_where_one_list_fails(api, deployment):
    tables = deployment.cycle.tables()
    api.groups[3].append(99)
    api.groups[5] = [1]
    api.statuses[2] = 403
    with pytest.raises(SnapshotError) as error:
        deployment.read("second")
    assert "1 of 5 lists of `members` are not complete (1: the API refused it" in str(error.value)
    assert "2" not in str(error.value).split("(1:")[1]
    failed = json.loads((deployment.home / "landing/members/second/failed_parents.json").read_text())
    assert failed["failed"] == [{"parent": 2, "reason": "the API refused it (401 or 403)"}]
    assert deployment.cycle.tables() == tables


@pytest.mark.parametrize("group", [2, 3])
def test_a_list_whose_end_says_that_more_follows_is_not_complete(api, deployment, group):
    paginator = {"type": "offset", "limit": 100, "has_more_path": "more"}
    endpoint = {**deployment.form["resources"][1]["endpoint"], "paginator": paginator}
    asks = deployment.with_(members={"endpoint": endpoint})
    asks.run("second")
    api.says_more = {group}
    with pytest.raises(SnapshotError, match="1: its last answer with entries says that more follow"):
        asks.read("third")


@pytest.mark.parametrize("style", ["page_number", "json_link"])
def test_lists_of_each_kind_of_paging_are_read_whole(api, deployment, style):
    api.style, api.cap = style, 3
    api.groups[40] = list(range(100, 111))
    (deployment.home / "warehouse.duckdb").unlink()
    deployment.with_(style=style).run("other")
    assert deployment.present == api.memberships


def test_a_parent_that_is_gone_by_its_detail_path_does_not_fail_the_others(api, deployment):
    asks = deployment.with_(groups={"detail_path": "groups/{id}"})
    before = api.memberships

    def leave(api, group, query):
        """Group 2 leaves after the list of groups was read."""
        if group == 2:
            api.gone.add(2)

    api.before = leave
    published = asks.run("second")
    assert published["members"].changes["removed"] == 0
    assert "gone_parents" in {finding.rule for finding in published["members"].findings}
    assert asks.present == before
    del api.groups[2]
    api.before = lambda *_: None
    asks.run("third")
    assert asks.present == api.memberships


def test_an_ignored_404_is_an_empty_list_and_a_filter_of_the_parent_leaves_out_lists(api, deployment):
    api.statuses[2] = 404
    actions = [{"status_code": 404, "action": "ignore"}]
    members = {"endpoint": {**deployment.form["resources"][1]["endpoint"], "response_actions": actions}}
    groups = {"processing_steps": [{"filter": lambda row: row["id"] != 40}]}
    chosen = deployment.with_(groups=groups, members=members)
    chosen.run("second")
    assert (chosen.present_groups, chosen.present) == ({1, 2, 3}, {(1, 10), (1, 11), (1, 12)})
    assert not api.asked[40]


def test_lists_that_were_read_for_a_former_snapshot_of_the_parent_do_not_count(api, deployment):
    """The second shard has no group left, so nothing replaces what it landed before."""
    cleared = deployment.with_(shards=2)
    cleared.read("second")
    for group in (2, 3, 40):
        del api.groups[group]
    cleared.read("second")
    cleared.publish("second")
    assert (cleared.present_groups, cleared.present) == ({1}, api.memberships)


def test_nothing_is_published_where_the_parent_alone_was_read_again(api, deployment):
    tables = deployment.cycle.tables()
    deployment.read("second")
    del api.groups[1]
    groups = deployment.sync("groups", "second")
    groups.extract()
    groups.audit()
    with pytest.raises(SnapshotError, match="`members` was audited for another snapshot of `groups`"):
        deployment.publish("second")
    assert deployment.cycle.tables() == tables


def test_a_dry_run_publishes_nothing(api, deployment):
    tables = deployment.cycle.tables()
    api.groups[3].append(5)
    audited = deployment.read("dry", mode="dry_run")
    assert audited["members"].report.changes["added"] == 1
    assert deployment.cycle.tables() == tables


DIES = """
import os
from pathlib import Path
from dlt.destinations.sql_client import SqlClientBase
from dlt.load.load import Load
from directory_sync.warehouse.destinations import DuckDBFile
from tests.integration.memberships import Memberships
url, home, where, number = args
if where == "transaction":
    def execute_many(self, statements, *_, **__):
        # Statement by statement: as the database runs them, whose process can end between any two.
        for at, one in enumerate(statements):
            if at == number:
                os._exit(9)
            self.execute_sql(one)
    SqlClientBase.execute_many = execute_many
else:
    DuckDBFile.is_transactional = False
    begin, seen = Load.load_single_package, []
    def die(self, load_id, schema):
        seen.append(load_id)
        # The first one is of `_directory_publications`.
        if len(seen) == number + 1:
            os._exit(9)
        return begin(self, load_id, schema)
    Load.load_single_package = die
Memberships(url, Path(home), settings={"max_removed_share": 1.0}).publish("second")
"""


@pytest.mark.parametrize(("where", "number"), [("transaction", 7), ("package", 5)])
def test_a_kill_while_both_are_published_leaves_neither_behind(api, deployment, where, number):
    api.groups[1].remove(10)
    api.groups[40].append(8)
    del api.groups[2]
    deployment.read("second")
    before = deployment.cycle.tables()
    child = child_process(DIES, api.url, deployment.home, where, number)
    child.communicate()
    assert child.returncode == 9
    runs = "SELECT DISTINCT run_id FROM directory_syncs"
    assert deployment.query(runs) == [("first",)]
    if where == "transaction":
        assert deployment.cycle.tables() == before
    deployment.publish("second")
    assert (deployment.present_groups, deployment.present) == ({1, 3, 40}, api.memberships)
    assert deployment.query("SELECT resource FROM directory_syncs WHERE run_id = 'second' ORDER BY 1") == [
        ("groups",),
        ("members",),
    ]


def test_a_run_after_a_kill_finishes_both_or_neither(api, deployment):
    """The change rows of the child are there, and those of the parent are not."""
    api.groups[1].remove(10)
    del api.groups[2]
    deployment.read("second")
    child_process(DIES, api.url, deployment.home, "package", 2).communicate()
    api.groups[3].append(5)
    deployment.run("third")
    assert (deployment.present_groups, deployment.present) == ({1, 3, 40}, api.memberships)
    assert deployment.query("SELECT DISTINCT run_id FROM directory_syncs ORDER BY 1") == [
        ("first",),
        ("third",),
    ]


def test_churn_and_faults_lose_no_membership_that_lasts(api, deployment):
    """Members and groups come and go before answers, and some answers are faults; then it is quiet."""
    draw, churns = random.Random(5), True
    api.reset({group: list(range(0, 10 * draw.randrange(12), 10)) for group in range(1, 31)})
    lasting = api.memberships

    def disturb(api, group, query):
        if not churns:
            return None
        one = draw.choice(list(api.groups))
        if draw.random() < 0.03:
            lasting.difference_update({(one, member) for member in api.groups.pop(one)})
        elif draw.random() < 0.1 and api.groups[one]:
            lasting.discard((one, api.groups[one].pop(draw.randrange(len(api.groups[one])))))
        elif draw.random() < 0.1:
            api.groups[one] = sorted({*api.groups[one], draw.randrange(1, 9_999)})
        return draw.choice([500, 429, 0]) if draw.random() < 0.02 else None

    asks = deployment.with_(groups={"detail_path": "groups/{id}"})
    api.before, published = disturb, 0
    for night in range(2):
        lasting &= api.memberships
        with suppress(SnapshotError):
            asks.run(f"night {night}")
            published += 1
            assert lasting <= asks.present
    assert published
    churns = False
    for night in range(2):
        asks.run(f"quiet night {night}")
    assert (asks.present_groups, asks.present) == (set(api.groups), api.memberships)


def test_a_reader_of_directory_syncs_sees_both_or_neither(api, tmp_path, postgres_server):
    deployment = Memberships(api.url, tmp_path, postgres=postgres_server)
    deployment.read("first")
    seen, ends = [], threading.Event()

    def watch():
        database = deployment.cycle.database
        while not ends.wait(0.02):
            found = postgres_server.rows(
                "SELECT to_regclass('directory.directory_syncs') IS NOT NULL", database=database
            )
            rows = found[0][0] and postgres_server.rows(
                "SELECT resource FROM directory.directory_syncs ORDER BY 1", database=database
            )
            seen.append([row[0] for row in rows or ()])

    reader = threading.Thread(target=watch)
    reader.start()
    deployment.publish("first")
    ends.set()
    reader.join()
    assert {tuple(one) for one in seen} <= {(), ("groups", "members")}
    assert deployment.present == api.memberships
