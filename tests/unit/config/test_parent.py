"""How the form says that a resource is read for the entries of another one."""

import pytest

from directory_sync.config.form import parse_form
from directory_sync.errors import ConfigError

OFFSET = {"type": "offset", "limit": 100}


def form(members, groups=None, others=()):
    return {
        "client": {"base_url": "https://api.example.com", "auth": {"type": "oauth2"}, "paginator": OFFSET},
        "resource_defaults": {"endpoint": {"data_selector": "data"}},
        "resources": [
            {"name": "groups", "endpoint": {"path": "groups"}, **(groups or {})},
            {"name": "members", **members},
            *others,
        ],
    }


def child(members=None, groups=None, **endpoint):
    endpoint = {"path": "groups/{resources.groups.id}/members", **endpoint}
    return parse_form(form({"endpoint": endpoint, **(members or {})}, groups))[1]


def test_the_key_of_a_child_is_its_parent_s_key_and_its_own():
    assert child().key.paths == (("_groups_id",), ("id",))
    assert child({"primary_key": "user"}, {"primary_key": ["site", "code"]}).key.paths == (
        ("_groups_site",),
        ("_groups_code",),
        ("user",),
    )


def test_the_entries_get_the_fields_that_dlt_would_name():
    found = child({"include_from_parent": ["name", "id", "owner.site"]}).parent
    record = {"id": 5, "name": "Hall", "owner": {"site": "north"}, "floor": 2}
    assert found.fields_of(record) == {
        "_groups_id": 5,
        "_groups_name": "Hall",
        "_groups_owner_site": "north",
    }


def test_values_are_encoded_in_a_path_and_plain_in_parameters():
    found = child(params={"of": "group:{resources.groups.id}", "size": 3})
    one = found.parent.list_of(found, {"id": "a/b c"}, {"_groups_id": "a/b c"})
    assert one.path == "groups/a%2Fb%20c/members"
    assert one.params == {"of": "group:a/b c", "size": 3}


@pytest.mark.parametrize("value", [".", ".."])
def test_a_value_that_makes_a_path_another_one_is_refused(value):
    """`groups/../members` is requested as `members`."""
    found = child()
    with pytest.raises(ConfigError, match=r"`\.` or `\.\.` in a field of the path of `members`"):
        found.parent.list_of(found, {"id": value}, {"_groups_id": value})
    beside = child(path="../groups/of-{resources.groups.id}/members")
    assert beside.parent.list_of(beside, {"id": value}, {}).path == f"../groups/of-{value}/members"


def test_several_fields_of_one_parent_may_stand_in_the_path():
    found = child(path="sites/{resources.groups.site}/groups/{resources.groups.id}")
    values = found.parent.values_of({"id": 7, "site": "north"})
    assert found.parent.list_of(found, values, {}).path == "sites/north/groups/7"


def test_dlt_s_older_resolve_means_the_same():
    resolve = {"type": "resolve", "resource": "groups", "field": "id"}
    found = child(path="groups/{group}/members", params={"group": resolve})
    assert (found.path, found.params) == ("groups/{resources.groups.id}/members", {})
    assert found.parent.name == "groups"


def test_a_parent_may_be_listed_behind_its_child():
    backwards = form({"endpoint": {"path": "groups/{resources.groups.id}/members"}})
    backwards["resources"].reverse()
    assert parse_form(backwards)[0].parent.name == "groups"


def test_the_key_of_a_parent_is_read_from_that_of_its_child():
    found = child(groups={"primary_key": ["site", "code"]})
    assert found.parent.parent_of('["north",4,"x"]') == '["north",4]'
    assert child().parent.parent_of("[3,9]") == 3


def test_a_detail_path_names_the_entry_by_its_whole_key():
    found = child({"detail_path": "groups/{resources.groups.id}/members/{id}"})
    assert found.key.fill(found.detail_path, '["a b",9]') == "groups/a%20b/members/9"


@pytest.mark.parametrize(
    ("members", "endpoint", "message"),
    [
        ({}, {"path": "x/{resources.teams.id}"}, "The parent `teams` of resource `members` is not among"),
        ({}, {"path": "x/{resources.members.id}"}, "a child has no children"),
        ({}, {"path": "{resources.groups.id}/{resources.halls.id}"}, "More than one parent"),
        ({"include_from_parent": "name"}, {}, "must be a list of the parent's fields"),
        ({"include_from_parent": ["name"]}, {"path": "members"}, "needs a parent"),
        ({"detail_path": "members/{id}"}, {}, "must have the parent's key in it"),
        ({}, {"params": {"g": {"type": "resolve", "resource": "groups", "field": "id"}}}, "as its value"),
        ({}, {"path": "x/{group}"}, "The binding in"),
        ({}, {"headers": {"X-Group": "{resources.groups.id}"}}, "header"),
        (
            {},
            {"incremental": {"cursor_path": "at", "start_param": "since", "initial_value": "2026-01-01"}},
            "`incremental` of resource `members`",
        ),
    ],
)
def test_what_a_child_cannot_be_is_refused(members, endpoint, message):
    with pytest.raises(ConfigError, match=message.replace("(", r"\(")):
        child(members, **endpoint)


def test_a_child_of_a_child_is_refused():
    deep = {"name": "badges", "endpoint": {"path": "m/{resources.members.id}/badges"}}
    with pytest.raises(ConfigError, match="a child has no children"):
        parse_form(form({"endpoint": {"path": "groups/{resources.groups.id}/members"}}, others=[deep]))


def test_a_parent_without_the_field_of_a_placeholder_is_refused_by_the_field_s_name():
    found = child(path="groups/{resources.groups.slug}/members")
    with pytest.raises(ConfigError, match=r"no text or integer in its field `slug`"):
        found.parent.values_of({"id": 5, "slug": None})
