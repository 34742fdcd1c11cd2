"""What dlt's form says about a resource holds, or is refused with a message that names it."""

import copy

import pytest
from dlt.common.normalizers.naming.snake_case import NamingConvention

from directory_sync.config.dlt_provider import form_secrets
from directory_sync.config.form import parse_form
from directory_sync.config.keys import ID, Key
from directory_sync.config.paging import DEFAULT_LIMIT, LinkedPages, NumberedPages, OffsetPages
from directory_sync.config.sign_in import FROM_CONNECTION
from directory_sync.errors import ConfigError
from tests.dag_file import directory

SECRET = "SENTINEL-SECRET"


def form(*, client=None, defaults=None, endpoint=None, drop=(), **resource):
    """The form of one resource with some keys changed or left out."""
    full_endpoint = {
        "path": "/v1/people",
        "data_selector": "data",
        "paginator": {"type": "offset", "limit": 50},
        **(endpoint or {}),
    }
    return {
        "client": {
            "base_url": "https://api.example.org",
            "auth": {"type": "oauth2", "client_id": FROM_CONNECTION, "client_secret": FROM_CONNECTION},
            **(client or {}),
        },
        "resource_defaults": defaults or {},
        "resources": [
            {
                "name": "people",
                "endpoint": {k: v for k, v in full_endpoint.items() if k not in drop},
                **resource,
            }
        ],
    }


def parse(**changes):
    (resource,) = parse_form(form(**changes))
    return resource


@pytest.fixture
def _read_as_a_form():
    with form_secrets():
        yield


@pytest.mark.usefixtures("_read_as_a_form")
def test_the_seed_configuration_parses_without_a_connection():
    (resource,) = parse_form(directory())
    assert (resource.name, resource.path, resource.selector, resource.pages) == (
        "directory_resource",
        "/v1/directory",
        ("data",),
        OffsetPages(limit=100),
    )


@pytest.mark.usefixtures("_read_as_a_form")
def test_a_bare_offset_paginator_parses():
    seed = directory()
    seed["resources"][0]["endpoint"]["paginator"] = "offset"
    (resource,) = parse_form(seed)
    assert resource.pages == OffsetPages(limit=DEFAULT_LIMIT)


def test_a_paginator_without_a_limit_has_that_of_dlt():
    assert parse(endpoint={"paginator": {"type": "offset"}}).pages == OffsetPages(limit=DEFAULT_LIMIT)


def test_the_tables_are_named_after_the_resource():
    resource = parse()
    assert (resource.changes_table, resource.history_view) == ("people_changes", "people_history")


def test_parsing_leaves_the_form_as_it_was():
    given = form(defaults={"endpoint": {"params": {"a": 1}}}, endpoint={"params": {"b": 2}})
    before = copy.deepcopy(given)
    parse_form(given)
    assert given == before


NOT_HONOURED = {
    "incremental of dlt": ({"endpoint": {"incremental": {"cursor_path": "at"}}}, "`incremental`"),
    "incremental parameter": (
        {"endpoint": {"params": {"since": {"type": "incremental", "cursor_path": "at"}}}},
        "parameter `since`",
    ),
    "incremental placeholder": (
        {"endpoint": {"params": {"since": "{incremental.start_value}"}}},
        "parameter `since`",
    ),
    "resolve parameter": (
        {"endpoint": {"params": {"org": {"type": "resolve", "resource": "o", "field": "id"}}}},
        "parameter `org`",
    ),
    "resolve placeholder": ({"endpoint": {"path": "/orgs/{resources.o.id}"}}, "The parent `o`"),
    "PUT": ({"endpoint": {"method": "PUT"}}, "`method` 'PUT'"),
    "json body of a GET": (
        {"endpoint": {"json": {"query": "x"}}},
        '`json` of resource `people` is not supported. Valid: `"method": "POST"`',
    ),
    "form body of a GET": ({"endpoint": {"data": {"query": "x"}}}, '"POST"'),
    "body that is a text": ({"endpoint": {"method": "POST", "data": "x"}}, "`data` of type str"),
    "two bodies": (
        {"endpoint": {"method": "POST", "json": {"a": 1}, "data": {"b": 1}}},
        "`json` beside `data`",
    ),
    "binding in the body": (
        {"endpoint": {"method": "POST", "json": {"a": [{"b": "{resources.o.id}"}]}}},
        "binding in `json`",
    ),
    "page in the body of a GET": (
        {"endpoint": {"paginator": {"type": "page_number", "page_body_path": "page"}}},
        '`page` as a path in the body of resource `people` is not supported. Valid: `"method": "POST"`',
    ),
    "page in a form body": (
        {
            "endpoint": {
                "method": "POST",
                "data": {"a": 1},
                "paginator": {"type": "cursor", "cursor_body_path": "cursor"},
            }
        },
        "Valid: `json`",
    ),
    "offset in the body twice": (
        {
            "endpoint": {
                "method": "POST",
                "json": {"page": {"from": 0}},
                "paginator": {"type": "offset", "offset_body_path": "page.from"},
            }
        },
        "`page.from` in `json`",
    ),
    "offset that leads through a text": (
        {
            "endpoint": {
                "method": "POST",
                "json": {"page": "one"},
                "paginator": {"type": "offset", "offset_body_path": "page.from"},
            }
        },
        "leads through `page`",
    ),
    **{
        f"response action {name}": ({"endpoint": {"response_actions": actions}}, named)
        for name, actions, named in [
            ("that is none", [{"status_code": 404}], "The action None in `response_actions`"),
            ("that is a function", [print], "A function in `response_actions`"),
            ("with a function", [{"status_code": 404, "action": print}], "A function in `response_actions`"),
            ("on content", [{"content": "none", "action": "ignore"}], "`content` in `response_actions`"),
            ("on a fault", [{"status_code": 500, "action": "ignore"}], "`status_code` 500"),
            ("on a bad request", [{"status_code": 400, "action": "ignore"}], "`status_code` 400"),
            ("that raises", [{"status_code": 404, "action": "raise"}], "The action 'raise'"),
            ("alone", {"status_code": 404, "action": "ignore"}, "`response_actions` of type dict"),
        ]
    },
    "empty": ({"empty": "none"}, "`empty` 'none'"),
    "yield_map": ({"processing_steps": [{"yield_map": iter}]}, "`yield_map`"),
    "empty step": ({"processing_steps": [{}]}, "processing_steps"),
    "step that is no function": ({"processing_steps": [{"map": "name"}]}, "processing_steps"),
    "replace": ({"write_disposition": "replace"}, "`write_disposition` 'replace'"),
    "append": ({"write_disposition": "append"}, "`write_disposition` 'append'"),
    "scd2": (
        {"write_disposition": {"disposition": "merge", "strategy": "scd2"}},
        "`write_disposition`",
    ),
    "a key that is a number": ({"primary_key": 7}, "`primary_key` 7 of resource `people`"),
    "no key": ({"primary_key": []}, "a field such as"),
    "a key of dlt's that is a function": ({"primary_key": lambda row: row["id"]}, "a field such as"),
    "a key within a list": ({"primary_key": "emails[0].value"}, "a key cannot stand within a list"),
    "a key twice": ({"primary_key": ["id", "id"]}, "names a field twice: `id`, `id`"),
    "another key than the columns": (
        {"primary_key": "a", "columns": {"b": {"primary_key": True}}},
        "marks `b` as `primary_key`, but `primary_key` of the resource is `a`",
    ),
    "a key in an object that is kept as JSON": (
        {"primary_key": ["id", "org.no"], "max_table_nesting": 0},
        "`max_table_nesting` 0 of resource `people`",
    ),
    "a column on which rows would be replaced": (
        {"columns": {"b": {"merge_key": True}}},
        "`merge_key` of the column `b`",
    ),
    "a column that deletes rows": ({"columns": [{"name": "b", "hard_delete": True}]}, "`hard_delete`"),
    "merge key": ({"merge_key": "org"}, "`merge_key`"),
    "table name": ({"table_name": "t"}, "`table_name`"),
    "parallelized": ({"parallelized": True}, "`parallelized`"),
    "selected": ({"selected": False}, "`selected`"),
    "unknown key of the resource": ({"frequency": "daily"}, "`frequency`"),
    "unknown key of the endpoint": ({"endpoint": {"timeout": 5}}, "`timeout`"),
    "unknown key of the client": ({"client": {"session": object()}}, "`session`"),
    "unknown key of the auth": (
        {"client": {"auth": {"type": "oauth2", "session": object()}}},
        "`session`",
    ),
    "unknown key of the paginator": (
        {"endpoint": {"paginator": {"type": "offset", "maximum_offset": 500}}},
        "`maximum_offset`",
    ),
    "unknown key of the defaults": ({"defaults": {"max_retries": 2}}, "`max_retries`"),
    "another type of auth": ({"client": {"auth": {"type": "digest"}}}, "`client.auth.type`"),
    "another type of auth by name": ({"client": {"auth": "digest"}}, "`client.auth.type`"),
    "key of another type": (
        {"client": {"auth": {"type": "bearer", "client_id": None, "name": "x"}}},
        "`name`",
    ),
    "other auth object": ({"client": {"auth": object()}}, "`client.auth`"),
    "unknown paginator": ({"endpoint": {"paginator": "pages"}}, "Paginator 'pages'"),
    "auto": ({"endpoint": {"paginator": "auto"}}, "Paginator 'auto'"),
    "deprecated name": ({"endpoint": {"paginator": "json_response"}}, "Paginator 'json_response'"),
    "type that is a list": ({"endpoint": {"paginator": {"type": ["offset"]}}}, "Paginator ['offset']"),
    **{
        f"{key} of {kind}": ({"endpoint": {"paginator": {"type": kind, key: value}}}, f"`{key}`")
        for kind, key, value in [
            ("page_number", "maximum_page", 5),
            ("offset", "maximum_offset", 500),
            ("page_number", "has_more_path", "more[*]"),
            ("page_number", "stop_after_empty_page", False),
            ("page_number", "stop_after_empty_page", 1),
            ("page_number", "page", 3),
            ("page_number", "base_page", -1),
            ("page_number", "base_page", True),
            ("page_number", "base_page", "1"),
            ("page_number", "page_param", ""),
            ("page_number", "page_param", 1),
            ("page_number", "total_path", "a.*"),
            ("page_number", "limit", 100),
            ("cursor", "cursor_param", 1),
            ("cursor", "cursor_value", True),
            ("cursor", "resend_params", True),
            ("json_link", "has_more_path", "more"),
            ("json_link", "resend_params", "yes"),
            ("cursor", "cursor_path", "a[?"),
            ("cursor", "links_next_key", "next"),
            ("json_link", "next_url_path", "'a"),
            ("json_link", "maximum_page", 5),
            ("header_link", "next_url_path", "next"),
            ("header_link", "links_next_key", ""),
            ("header_cursor", "cursor_path", "next"),
            ("single_page", "page", 1),
        ]
    },
    "page among the parameters": (
        {"endpoint": {"paginator": "page_number", "params": {"page": 2}}},
        "`page` in `params`",
    ),
    "first cursor twice": (
        {
            "endpoint": {
                "paginator": {"type": "cursor", "cursor_param": "c", "cursor_value": "*"},
                "params": {"c": 2},
            }
        },
        "`c` in `params`",
    ),
    "two places of the cursor": (
        {
            "endpoint": {
                "method": "POST",
                "paginator": {"type": "cursor", "cursor_param": "c", "cursor_body_path": "c"},
            }
        },
        "`cursor_param` beside `cursor_body_path`",
    ),
    "two places of the offset": (
        {
            "endpoint": {
                "method": "POST",
                "paginator": {"type": "offset", "offset_param": "o", "offset_body_path": "o"},
            }
        },
        "`offset_param` beside `offset_body_path`",
    ),
    "two totals": (
        {"endpoint": {"paginator": {"type": "offset", "total_path": "a", "total_header": "X-Total"}}},
        "`total_header` beside `total_path`",
    ),
    "trusted removals of offset pages": ({"removals": "trusted"}, "`removals`"),
    "trusted removals of numbered pages": (
        {"removals": "trusted", "endpoint": {"paginator": "page_number"}},
        "`removals`",
    ),
    "removals": ({"removals": "all", "endpoint": {"paginator": "cursor"}}, "`removals` 'all'"),
    "order of numbered pages": (
        {"order": "stable", "endpoint": {"paginator": "page_number"}},
        "`order`",
    ),
    "sort field of numbered pages": (
        {"sort_field": "name", "endpoint": {"paginator": "page_number"}},
        "`sort_field`",
    ),
    "sort field of linked pages": (
        {"sort_field": "name", "endpoint": {"paginator": "cursor"}},
        "`sort_field`",
    ),
    "paginator object": ({"endpoint": {"paginator": object()}}, "Paginator 'object'"),
    "no paginator": ({"drop": ["paginator"]}, "has no `paginator`"),
    "offset that starts elsewhere": (
        {"endpoint": {"paginator": {"type": "offset", "offset": 10}}},
        "`offset` 10",
    ),
    "limit as text": ({"endpoint": {"paginator": {"type": "offset", "limit": "100"}}}, "`limit`"),
    "limit that is true": ({"endpoint": {"paginator": {"type": "offset", "limit": True}}}, "`limit`"),
    "limit of one": ({"endpoint": {"paginator": {"type": "offset", "limit": 1}}}, "`limit`"),
    "limit among the parameters": ({"endpoint": {"params": {"limit": 10}}}, "`limit`"),
    "offset among the parameters": ({"endpoint": {"params": {"offset": 10}}}, "`offset`"),
    "no selector": ({"drop": ["data_selector"]}, "`data_selector`"),
    "wildcard": ({"endpoint": {"data_selector": "data.*.items"}}, "path 'data.*.items'"),
    "index": ({"endpoint": {"data_selector": "data[0]"}}, r"path 'data[0]'"),
    "deep search": ({"endpoint": {"data_selector": "$..items"}}, "path '$..items'"),
    "filter in the selector": ({"endpoint": {"data_selector": "data[?(@.a)]"}}, "path 'data"),
    "total that is a wildcard": (
        {"endpoint": {"paginator": {"type": "offset", "total_path": "meta.*"}}},
        "path 'meta.*'",
    ),
    "order": ({"order": "ascending"}, "`order` 'ascending'"),
    "total": ({"total": "exact"}, "`total` 'exact'"),
    "ignored fields as one text": ({"ignored_fields": "updated_at"}, "`ignored_fields`"),
    "ignored fields that are no text": ({"ignored_fields": [1]}, "`ignored_fields`"),
    "no name": ({"name": None}, "`name`"),
    "name with capitals": ({"name": "People"}, "`name` is 'People'"),
    "name with a hyphen": ({"name": "my-people"}, "`name` is 'my-people'"),
    "name of a child table": ({"name": "people__tags"}, "`name` is 'people__tags'"),
    "name of dlt's": ({"name": "_dlt_loads"}, "`name` is '_dlt_loads'"),
    "name that dlt would change": ({"name": "people_"}, "`name` is 'people_'"),
    "name of ours": ({"name": "directory_syncs"}, "directory_syncs"),
}


@pytest.mark.parametrize(("changes", "named"), NOT_HONOURED.values(), ids=NOT_HONOURED)
def test_what_cannot_be_honoured_is_refused_by_name(changes, named):
    with pytest.raises(ConfigError) as caught:
        parse(**changes)
    assert named in str(caught.value)


@pytest.mark.parametrize("changes", [c for c, _ in NOT_HONOURED.values()], ids=NOT_HONOURED)
def test_no_refusal_holds_a_secret(changes):
    with pytest.raises(ConfigError) as caught:
        parse(**changes)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    "key",
    ["incremental", "method_", "json", "parallelized"],
)
def test_an_unknown_key_without_a_value_says_nothing(key):
    assert parse(**{key: None}).name == "people"


@pytest.mark.parametrize(
    ("names", "collision"),
    [
        (["people", "people"], "people"),
        (["people", "people_changes"], "people_changes"),
        (["people_history", "people"], "people_history"),
        (["people", "directory_syncs"], "directory_syncs"),
    ],
)
def test_names_that_collide_in_the_warehouse_are_refused(names, collision):
    given = form()
    given["resources"] = [{**given["resources"][0], "name": name} for name in names]
    with pytest.raises(ConfigError, match=rf"collide in the warehouse: .*\b{collision}\b"):
        parse_form(given)


@pytest.mark.parametrize("listed", [[], None])
def test_no_resource_is_refused(listed):
    with pytest.raises(ConfigError, match="`resources` of the configuration is empty"):
        parse_form({**form(), "resources": listed})


def test_an_unknown_key_of_the_configuration_is_refused():
    with pytest.raises(ConfigError, match="`sources` in the configuration"):
        parse_form({**form(), "sources": []})


@pytest.mark.parametrize("one", [7, ["people"], None])
def test_a_resource_that_is_no_mapping_is_refused(one):
    with pytest.raises(ConfigError, match="An item of `resources`"):
        parse_form({**form(), "resources": [one]})


@pytest.mark.parametrize("name", ["people", "p", "people_2", "a_b_c"])
def test_a_name_that_is_taken_is_the_table_in_the_warehouse(name):
    resource = parse(name=name)
    assert NamingConvention().normalize_table_identifier(resource.name) == name


HONOURED = {
    "paginator of the client": (
        {"client": {"paginator": {"type": "offset", "limit": 30}}, "drop": ["paginator"]},
        "pages",
        OffsetPages(limit=30),
    ),
    "paginator of the resource goes before that of the client": (
        {"client": {"paginator": "single_page"}},
        "pages",
        OffsetPages(limit=50),
    ),
    "names of the parameters": (
        {
            "endpoint": {
                "paginator": {
                    "type": "offset",
                    "limit": 9,
                    "offset": 0,
                    "offset_param": "skip",
                    "limit_param": "take",
                    "total_path": "meta.count",
                }
            }
        },
        "pages",
        OffsetPages(limit=9, offset_param="skip", limit_param="take", total_path=("meta", "count")),
    ),
    "no total": (
        {"endpoint": {"paginator": {"type": "offset", "limit": 9, "total_path": None}}},
        "pages",
        OffsetPages(limit=9, total_path=None),
    ),
    "page number": ({"endpoint": {"paginator": "page_number"}}, "pages", NumberedPages()),
    "page number from 1": (
        {
            "endpoint": {
                "paginator": {
                    "type": "page_number",
                    "base_page": 1,
                    "page": 1,
                    "page_param": "p",
                    "total_path": "meta.pages",
                    "stop_after_empty_page": True,
                },
                "params": {"per_page": 100},
            }
        },
        "pages",
        NumberedPages(base_page=1, page_param="p", total_path=("meta", "pages")),
    ),
    "page number without a total": (
        {"endpoint": {"paginator": {"type": "page_number", "total_path": None}}},
        "pages",
        NumberedPages(),
    ),
    **{
        f"bare {kind}": ({"endpoint": {"paginator": kind}}, "pages", LinkedPages(type=kind))
        for kind in ("cursor", "json_link", "header_link", "header_cursor", "single_page")
    },
    **{
        f"{kind} with its keys": (
            {"endpoint": {"paginator": {"type": kind, **options, "total_path": "meta.count"}}},
            "pages",
            LinkedPages(type=kind, options=options, total_path=("meta", "count")),
        )
        for kind, options in [
            ("cursor", {"cursor_path": "meta.next", "cursor_param": "c"}),
            ("json_link", {"next_url_path": "'@odata.nextLink'"}),
            ("header_link", {"links_next_key": "after"}),
            ("header_cursor", {"cursor_key": "X-Next", "cursor_param": "c"}),
            ("single_page", {}),
        ]
    },
    "cursor that goes on after an empty page": (
        {"endpoint": {"paginator": {"type": "cursor", "stop_after_empty_page": False}}},
        "pages",
        LinkedPages(type="cursor"),
    ),
    "linked pages of the client": (
        {"client": {"paginator": "header_link"}, "drop": ["paginator"]},
        "pages",
        LinkedPages(type="header_link"),
    ),
    "trusted removals": (
        {"removals": "trusted", "endpoint": {"paginator": "cursor"}},
        "removals_are_trusted",
        True,
    ),
    "removals that ask": ({"endpoint": {"paginator": "cursor"}}, "removals_are_trusted", False),
    "path by default the name": ({"drop": ["path"]}, "path", "people"),
    "GET": ({"endpoint": {"method": "get"}}, "path", "/v1/people"),
    "no key": ({}, "key", ID),
    "list of one key": ({"primary_key": ["id"]}, "key", ID),
    "key of the defaults": ({"defaults": {"primary_key": "no"}}, "key", Key((("no",),))),
    "several keys": ({"primary_key": ("org.no", "no")}, "key", Key((("org", "no"), ("no",)))),
    "path of one entry by its key": (
        {"primary_key": ["org", "no"], "detail_path": "/orgs/{org}/people/{no}"},
        "detail_path",
        "/orgs/{org}/people/{no}",
    ),
    "merge": ({"write_disposition": "merge"}, "name", "people"),
    "merge as a mapping": (
        {"write_disposition": {"disposition": "merge", "strategy": "delete-insert"}},
        "name",
        "people",
    ),
    "parameters": ({"endpoint": {"params": {"active": True}}}, "params", {"active": True}),
    "headers": (
        {"client": {"headers": {"X-A": "1", "X-B": "1"}}, "endpoint": {"headers": {"X-B": "2"}}},
        "headers",
        {"X-A": "1", "X-B": "2"},
    ),
    "no steps": ({}, "steps", ()),
    "hints": (
        {"columns": {"a": {"data_type": "text"}}, "schema_contract": "evolve", "max_table_nesting": 1},
        "hints",
        {
            "columns": {"a": {"data_type": "text"}},
            "schema_contract": "evolve",
            "max_table_nesting": 1,
        },
    ),
    "stable order": ({"order": "stable"}, "order_is_stable", True),
    "no order": ({}, "order_is_stable", False),
    "approximate total": ({"total": "approximate"}, "total_is_approximate", True),
    "ignored fields": (
        {"ignored_fields": ["seen_at", "meta.etag"]},
        "ignored_fields",
        (("seen_at",), ("meta", "etag")),
    ),
}


@pytest.mark.parametrize(("changes", "attribute", "value"), HONOURED.values(), ids=HONOURED)
def test_what_can_be_honoured_holds(changes, attribute, value):
    assert getattr(parse(**changes), attribute) == value


@pytest.mark.parametrize(
    ("path", "keys"),
    [
        ("data", ("data",)),
        ("$.data", ("data",)),
        ("result.items", ("result", "items")),
        ("$.result.items", ("result", "items")),
        ("data[*]", ("data",)),
        ("$", ()),
        ("$[*]", ()),
        ("odata-value", ("odata-value",)),
    ],
)
def test_a_selector_is_keys_joined_by_dots(path, keys):
    assert parse(endpoint={"data_selector": path}).selector == keys


DEFAULTS = {
    "paginator": ({"endpoint": {"paginator": "offset"}}, {"drop": ["paginator"]}, "pages", OffsetPages()),
    "selector": (
        {"endpoint": {"data_selector": "items"}},
        {"drop": ["data_selector"]},
        "selector",
        ("items",),
    ),
    "parameters": (
        {"endpoint": {"params": {"a": 1, "b": 1}}},
        {"endpoint": {"params": {"b": 2}}},
        "params",
        {"a": 1, "b": 2},
    ),
    "headers": (
        {"endpoint": {"headers": {"A": "1", "B": "1"}}},
        {"endpoint": {"headers": {"B": "2"}}},
        "headers",
        {"A": "1", "B": "2"},
    ),
    "a key of ours": ({"order": "stable"}, {}, "order_is_stable", True),
    "a hint": ({"max_table_nesting": 2}, {}, "hints", {"max_table_nesting": 2}),
    "the resource goes first": (
        {"max_table_nesting": 2},
        {"max_table_nesting": 0},
        "hints",
        {"max_table_nesting": 0},
    ),
    "columns": (
        {"columns": {"a": {"data_type": "text"}}},
        {"columns": {"b": {"data_type": "bool"}}},
        "hints",
        {"columns": {"a": {"data_type": "text"}, "b": {"data_type": "bool"}}},
    ),
}


@pytest.mark.parametrize(("defaults", "changes", "attribute", "value"), DEFAULTS.values(), ids=DEFAULTS)
def test_the_defaults_hold_where_the_resource_says_nothing(defaults, changes, attribute, value):
    assert getattr(parse(defaults=defaults, **changes), attribute) == value


def test_a_resource_may_be_a_name_alone():
    defaults = {"endpoint": {"data_selector": "data", "paginator": "offset"}}
    (resource,) = parse_form({"resource_defaults": defaults, "resources": ["sites"]})
    assert (resource.name, resource.path) == ("sites", "sites")


def test_an_endpoint_may_be_a_path_alone():
    defaults = {"endpoint": {"data_selector": "data", "paginator": "offset"}}
    listed = [{"name": "sites", "endpoint": "/v1/sites"}]
    (resource,) = parse_form({"resource_defaults": defaults, "resources": listed})
    assert resource.path == "/v1/sites"


def test_several_resources_are_parsed_in_order():
    given = form()
    given["resources"].append({**given["resources"][0], "name": "sites"})
    assert [resource.name for resource in parse_form(given)] == ["people", "sites"]


@pytest.mark.parametrize("key", ["path", "detail_path"])
def test_a_user_or_password_in_a_path_is_refused_unseen(key):
    path = f"https://user:{SECRET}@api.example.org/people/{'{id}' * (key == 'detail_path')}"
    changes = {"endpoint": {"path": path}} if key == "path" else {"detail_path": path}
    with pytest.raises(ConfigError, match=f"`{key}` of resource `people`") as caught:
        parse(**changes)
    assert SECRET not in str(caught.value)


def test_no_header_stands_in_a_repr():
    resource = parse(endpoint={"headers": {"X-Key": SECRET}, "params": {"api_key": SECRET}})
    assert SECRET not in repr(resource)


@pytest.mark.parametrize(
    ("incremental", "named"),
    [
        ("updated_at", "a mapping with `cursor_path`"),
        ({"cursor_path": "updated_at"}, "needs `cursor_path` and `start_param`"),
        ({"start_param": "since"}, "needs `cursor_path` and `start_param`"),
        ({"cursor_path": "updated_at", "start_param": "since", "end_value": 1}, "end_value"),
        ({"cursor_path": "updated_at", "start_param": "since", "initial_value": "now"}, "ISO 8601"),
        ({"cursor_path": "updated_at", "start_param": "since", "convert": "str"}, "not a function"),
        ({"cursor_path": "updated_at", "start_param": "active"}, "`active` in `params`"),
    ],
)
def test_an_incremental_that_cannot_be_honoured_is_refused(incremental, named):
    endpoint = {
        "data_selector": "$",
        "paginator": "offset",
        "params": {"active": 1},
        "incremental": incremental,
    }
    with pytest.raises(ConfigError) as caught:
        parse_form({"resources": [{"name": "r", "endpoint": endpoint}]})
    assert named in str(caught.value)
    assert "`r`" in str(caught.value)


@pytest.mark.parametrize(("key", "field"), [("client_id", "login"), ("client_secret", "password")])
def test_a_secret_that_stands_in_the_form_is_refused_unseen(key, field):
    with pytest.raises(ConfigError, match=f"`{key}` in `client.auth` .* {field} of the connection") as caught:
        parse(client={"auth": {"type": "oauth2", key: SECRET}})
    assert SECRET not in str(caught.value)


ELSEWHERE = {
    "resources.endpoint.headers.X-Key": {"endpoint": {"headers": {"X-Key": f"Key {FROM_CONNECTION}"}}},
    "resources.endpoint.params.key": {"endpoint": {"params": {"key": FROM_CONNECTION}}},
    "client.headers.X-Key": {"client": {"headers": {"X-Key": FROM_CONNECTION}}},
    "client.auth.token_url": {"client": {"auth": {"type": "oauth2", "token_url": f"/t?s={FROM_CONNECTION}"}}},
}


@pytest.mark.parametrize(("place", "changes"), ELSEWHERE.items(), ids=ELSEWHERE)
def test_a_secret_of_the_connection_outside_the_sign_in_is_refused(place, changes):
    with pytest.raises(ConfigError, match=f"A secret of the connection in `{place}`"):
        parse(**changes)


def test_what_is_wrong_names_the_forms_file():
    with pytest.raises(ConfigError, match=r"`limit` in the paginator .* Correct dags/partners_dag\.py\.$"):
        parse_form(
            form(endpoint={"paginator": {"type": "offset", "limit": 1}}), form_file="dags/partners_dag.py"
        )
