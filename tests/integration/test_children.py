"""Groups and their members: read, proven, published and removed together."""

import json

import pytest

from directory_sync.errors import SnapshotError
from tests.groups_api import GroupsApi
from tests.integration.memberships import Memberships

GROUPS = {1: [10, 11, 12], 2: [10, 20], 3: [], 40: [7]}


@pytest.fixture
def api():
    with GroupsApi({key: list(members) for key, members in GROUPS.items()}) as api:
        yield api


@pytest.fixture
def deployment(api, tmp_path):
    return Memberships(api.url, tmp_path, settings={"max_removed_share": 1.0})


def test_each_group_s_members_are_in_the_table_under_the_group_s_key(api, deployment):
    deployment.run("first")
    assert deployment.present == api.memberships
    assert set(deployment.query("SELECT _groups_id, _groups_name FROM members")) == {
        (group, f"Group {group}") for group in (1, 2, 40)
    }


def test_a_member_who_leaves_one_group_is_removed_there_alone(api, deployment):
    deployment.run("first")
    api.groups[1].remove(10)
    published = deployment.run("second")
    assert deployment.present == api.memberships
    assert (2, 10) in deployment.present
    assert published["members"].changes["removed"] == 1
    assert deployment.query("SELECT id FROM members_changes WHERE kind = 'removed'") == [("[1,10]",)]


def test_a_group_that_leaves_takes_its_memberships_along_in_the_same_publication(api, deployment):
    deployment.run("first")
    del api.groups[1]
    published = deployment.run("second")
    assert (deployment.present_groups, deployment.present) == ({2, 3, 40}, api.memberships)
    assert published["members"].changes["removed"] == 3
    assert published["members"].origin.parent_sync_id == published["groups"].sync_id


def test_the_memberships_of_a_group_that_waits_for_a_person_wait_with_it(api, deployment):
    held = deployment.with_(settings={"max_removed_share": 0.0, "max_removed_count": 0})
    held.run("first")
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


def test_a_group_stays_where_its_memberships_are_over_the_limit(api, deployment):
    """The removal of one group is within the limit; that of its three memberships is not."""
    limited = deployment.with_(settings={"max_removed_share": 1.0, "max_removed_count": 2})
    limited.run("first")
    before = api.memberships
    del api.groups[1]
    published = limited.run("second")
    assert published["groups"].holds.held == 1
    assert (limited.present_groups, limited.present) == ({1, 2, 3, 40}, before)
    limited.approve("groups", "second")
    assert (limited.present_groups, limited.present) == ({2, 3, 40}, api.memberships)


def test_nothing_is_published_where_one_list_fails(api, deployment):
    deployment.run("first")
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


@pytest.mark.parametrize("style", ["page_number", "json_link", "cursor", "single_page"])
def test_lists_of_each_kind_of_paging_are_read_whole(api, deployment, style):
    api.style, api.cap = style, 3
    api.groups[40] = list(range(100, 111))
    deployment.with_(style=style).run("first")
    assert deployment.present == api.memberships


def test_an_api_that_caps_its_pages_is_read_whole(api, deployment):
    api.cap, api.groups[40] = 4, list(range(100, 121))
    deployment.run("first")
    assert deployment.present == api.memberships


def test_a_parent_that_is_gone_by_its_detail_path_does_not_fail_the_others(api, deployment):
    asks = deployment.with_(groups={"detail_path": "groups/{id}"})
    asks.run("first")
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


def test_a_replay_rebuilds_parents_and_children_without_the_api(api, deployment):
    deployment.run("first")
    api.groups[1].remove(10)
    del api.groups[2]
    deployment.run("second")
    tables = deployment.cycle.tables()
    deployment.cycle.lose_warehouse()
    deployment.with_(url="http://127.0.0.1:9").replay()
    assert deployment.cycle.tables() == tables


def test_publishing_again_changes_nothing(api, deployment):
    deployment.run("first")
    tables = deployment.cycle.tables()
    deployment.publish("first")
    assert deployment.cycle.tables() == tables


def test_a_dry_run_publishes_nothing(api, deployment):
    audited = deployment.read("dry", mode="dry_run")
    assert audited["members"].report.changes["added"] == len(api.memberships)
    assert deployment.query(
        "SELECT count(*) FROM information_schema.tables WHERE table_name = 'members'"
    ) == [(0,)]
