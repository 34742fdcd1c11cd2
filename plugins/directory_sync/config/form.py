"""Parses a configuration in the form of dlt's `rest_api` source. A key is either supported or refused."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from directory_sync.config.endpoint import ListRequest, parse_end_statuses, parse_list_request
from directory_sync.config.incremental import Incremental, parse_incremental
from directory_sync.config.keys import ID, Key, parse_key
from directory_sync.config.paginator import parse_pages
from directory_sync.config.paging import Pages
from directory_sync.config.parent import (
    Parent,
    Reference,
    parse_reference,
    resolve_parents,
    with_placeholders,
    without_placeholders,
)
from directory_sync.config.paths import parse_list_path
from directory_sync.config.refusal import refuse, refuse_unknown
from directory_sync.config.sign_in import check_sign_in
from directory_sync.config.steps import Step, parse_steps
from directory_sync.config.urls import has_userinfo
from directory_sync.errors import ConfigError

FORM_FILE = "the Dag file"
"""The file of the form in messages, if its name is not known."""

_FORM = {"client", "resource_defaults", "resources"}
_CLIENT = {"base_url", "auth", "headers", "paginator"}
_HONOURED = {"columns", "schema_contract", "max_table_nesting"}
_RESOURCE = {
    "name", "primary_key", "write_disposition", "endpoint", "processing_steps", "include_from_parent",
    *_HONOURED,
}  # fmt: skip
_OURS = {"order", "sort_field", "total", "ignored_fields", "detail_path", "removals", "label_field", "empty"}
_ENDPOINT = {
    "path", "method", "params", "headers", "json", "data", "data_selector", "paginator", "incremental",
    "response_actions",
}  # fmt: skip
MAX_NAME = 63 - len("_field_changes")
"""PostgreSQL cuts names after 63 characters; the longest suffix is that of the view `_field_changes`."""
_IDENTIFIER = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")


@dataclass(frozen=True, kw_only=True)
class Resource:
    """One list of the directory, as the form describes it.

    Attributes:
        name: the resource's name, and that of its table.
        key: the fields that name an entry.
        path: the path of the list, relative to the base URL.
        selector: keys that lead to the list in the body; empty: the body is the list.
        pages: how the API pages the list.
        item: keys that lead from an item of the list to the entry; empty: the item is the entry.
        asked: how the list is asked for: GET or POST, and the body.
        end_statuses: statuses that mean that nothing stands at a place of the list (`response_actions`). On
            the first page they mean that the list is empty.
        absent_is_empty: an answer without the list means that it has no entries (`empty`).
        params: query parameters of every request of the list.
        headers: headers of every request of the list.
        hints: dlt's hints for the table, from the form: `columns`, `schema_contract`, `max_table_nesting`.
        steps: functions that shape an entry's row, or decide whether it belongs to the directory.
        order_is_stable: the form declares that the order of the list does not change (`order`).
        sort_field: the field by which the API sorts the list, as keys; None: not declared.
        total_is_approximate: the form declares that the API's total is approximate (`total`).
        ignored_fields: paths of fields that are left out of an entry's hash, as keys.
        detail_path: the path of one entry, with the fields of its key as placeholders; None: there is none.
        incremental: how the API is asked for an interval; None: it serves its present state only.
        label_field: the field shown beside an entry's id when a person decides on its removal; None: id only.
        removals_are_trusted: an entry that is absent from a linked list is removed without a decision.
        removals_are_confirmed: an entry is removed at the second snapshot that lacks it, without a decision.
        parent: the resource for whose entries this one is read, one list for each; None: it is one list.
        parent_fields: in the resource of one parent's list, the parent's fields that its entries get.
        form_file: the file of the form, for messages.
    """

    name: str
    path: str
    selector: tuple[str, ...]
    pages: Pages
    key: Key = ID
    params: Mapping[str, Any] = field(default_factory=dict, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    hints: Mapping[str, Any] = field(default_factory=dict)
    steps: tuple[Step, ...] = ()
    order_is_stable: bool = False
    sort_field: tuple[str, ...] | None = None
    total_is_approximate: bool = False
    ignored_fields: tuple[tuple[str, ...], ...] = ()
    detail_path: str | None = None
    incremental: Incremental | None = None
    label_field: tuple[str, ...] | None = None
    removals_are_trusted: bool = False
    removals_are_confirmed: bool = False
    item: tuple[str, ...] = ()
    asked: ListRequest = field(default_factory=ListRequest)
    end_statuses: frozenset[int] = frozenset()
    absent_is_empty: bool = False
    parent: Parent | None = None
    parent_fields: Mapping[str, Any] | None = field(default=None, repr=False)
    form_file: str = FORM_FILE

    def refuse_other_key(self, names: Sequence[str], *, of: str) -> None:
        """Refuses entries that were read with another key: under it, they are other entries.

        Args:
            names: the fields of their key.
            of: where they stand, for the message.

        Raises:
            ConfigError: the key differs.
        """
        if tuple(names) != self.key.names:
            was = ", ".join(f"`{name}`" for name in names)
            raise ConfigError(
                f"`primary_key` of `{self.name}` is {self.key} now and was {was} in {of}. Nothing was "
                f"published. Take the change in {self.form_file} back; or give the resource another `name`, "
                "under which it is read anew into tables of its own."
            )

    @property
    def is_reshaped(self) -> bool:
        """Whether a `map` makes rows with other fields than the records have."""
        return any(step.kind == "map" for step in self.steps)

    @property
    def changes_table(self) -> str:
        """The name of the table of the change rows."""
        return f"{self.name}_changes"

    @property
    def history_view(self) -> str:
        """The name of the view of all versions of all entries."""
        return f"{self.name}_history"

    @property
    def current_view(self) -> str:
        """The name of the view of the entries that are not removed."""
        return f"{self.name}_current"

    @property
    def field_changes_view(self) -> str:
        """The name of the view of the fields that changed."""
        return f"{self.name}_field_changes"

    @property
    def table_names(self) -> tuple[str, ...]:
        """The names of its tables and views, but for those of nested lists."""
        return (
            self.name, self.changes_table, self.history_view, self.rejected_table, self.current_view,
            self.field_changes_view,
        )  # fmt: skip

    @property
    def rejected_table(self) -> str:
        """The name of the table of entries that could not be stored."""
        return f"{self.name}_rejected"


def parse_form(form: Mapping[str, Any], *, form_file: str = FORM_FILE) -> tuple[Resource, ...]:
    """Parses a whole configuration into its resources.

    Args:
        form: the configuration, in the form of dlt's `rest_api` source.
        form_file: the file of the form, for messages.

    Returns:
        The resources, in the order of the form.

    Raises:
        ConfigError: something is missing, wrong or not supported. The message names it and the file.
    """
    try:
        return tuple(replace(resource, form_file=form_file) for resource in _parse_form(form))
    except ConfigError as e:
        raise ConfigError(f"{e} Correct {form_file}.") from None


def _parse_form(form: Mapping[str, Any]) -> tuple[Resource, ...]:
    refuse_unknown(form, _FORM, where="the configuration")
    client = form.get("client") or {}
    refuse_unknown(client, _CLIENT, where="`client`")
    check_sign_in(form)
    listed = form.get("resources") or []
    if not listed:
        raise ConfigError("`resources` of the configuration is empty. List the resources to sync there.")
    references: dict[str, Reference] = {}
    resources = tuple(
        _parse_resource(_with_defaults(one, form.get("resource_defaults") or {}), client, references)
        for one in listed
    )
    resources = resolve_parents(resources, references)
    names = [table for r in resources for table in r.table_names]
    doubled = {name for name in [*names, "directory_syncs"] if [*names, "directory_syncs"].count(name) > 1}
    if doubled:
        raise ConfigError(f"Resource names collide in the warehouse: {', '.join(sorted(doubled))}.")
    return resources


def _with_defaults(one: Any, defaults: Mapping[str, Any]) -> dict[str, Any]:
    """Merges a resource over `resource_defaults`, key by key also within `endpoint`, as dlt does."""
    if isinstance(one, str):
        one = {"name": one, "endpoint": {"path": one}}
    if not isinstance(one, Mapping):
        raise ConfigError(f"An item of `resources` is a {type(one).__name__}; a mapping is needed.")
    merged = {**defaults, **one}
    endpoints = [_endpoint(defaults.get("endpoint")), _endpoint(one.get("endpoint"))]
    merged["endpoint"] = {**endpoints[0], **endpoints[1]}
    for key in ("params", "headers"):
        merged["endpoint"][key] = {k: v for e in endpoints for k, v in (e.get(key) or {}).items()}
    columns, base = one.get("columns"), defaults.get("columns")
    if isinstance(columns, Mapping) and isinstance(base, Mapping):
        merged["columns"] = {k: {**base.get(k, {}), **columns.get(k, {})} for k in {**base, **columns}}
    return merged


def _endpoint(endpoint: Any) -> dict[str, Any]:
    return {"path": endpoint} if isinstance(endpoint, str) else dict(endpoint or {})


def _parse_resource(
    one: Mapping[str, Any], client: Mapping[str, Any], references: dict[str, Reference]
) -> Resource:
    """Parses a resource; notes in `references` what it says of its parent."""
    name = one.get("name")
    if not isinstance(name, str) or not _IDENTIFIER.fullmatch(name):
        raise ConfigError(
            f"A resource's `name` is {name!r}. It becomes the name of a table, so it may have small letters, "
            "digits, and single underscores between them; it begins with a letter."
        )
    if len(name) > MAX_NAME:
        raise ConfigError(
            f"The resource's `name` {name!r} has {len(name)} characters. At most {MAX_NAME} are allowed, "
            "because the names of its tables are longer."
        )
    where = f"resource `{name}`"
    refuse_unknown(one, _RESOURCE | _OURS, where=where)
    refuse_unknown(one["endpoint"], _ENDPOINT, where=f"`endpoint` of {where}")
    endpoint = with_placeholders(one["endpoint"], where=where)
    if (reference := parse_reference(one, endpoint, where=where)) is not None:
        references[name] = reference
    _check_disposition(one, where=where)
    key = parse_key(one, where=where)
    pages = parse_pages(endpoint.get("paginator") or client.get("paginator"), where=where)
    if ours := sorted(pages.own_params & set(endpoint["params"])):
        refuse(f"`{'`, `'.join(ours)}` in `params` of {where}", "the keys of the paginator")
    _check_claims(one, pages, where=where)
    listed = parse_list_path(endpoint.get("data_selector"), where=where)
    return Resource(
        name=name,
        path=_parse_path(endpoint.get("path") or name, where=f"`path` of {where}"),
        selector=listed.keys,
        item=listed.item,
        pages=pages,
        asked=parse_list_request(endpoint, pages, where=where),
        end_statuses=parse_end_statuses(endpoint.get("response_actions"), where=where),
        absent_is_empty=_choice(one, "empty", "absent", where=where),
        key=key,
        params={k: _plain(v, where=f"parameter `{k}` of {where}") for k, v in endpoint["params"].items()},
        headers={**(client.get("headers") or {}), **endpoint["headers"]},
        hints=_parse_hints(one, where=where),
        steps=parse_steps(one.get("processing_steps") or (), where=where),
        order_is_stable=_choice(one, "order", "stable", where=where),
        sort_field=_parse_field(one, "sort_field", where=where),
        incremental=parse_incremental(endpoint.get("incremental"), endpoint["params"], where=where),
        label_field=_parse_field(one, "label_field", where=where),
        total_is_approximate=_choice(one, "total", "approximate", where=where),
        ignored_fields=_parse_ignored(one.get("ignored_fields") or (), where=where),
        detail_path=_parse_detail_path(one.get("detail_path"), key, where=where),
        removals_are_trusted=_choice(one, "removals", "trusted", "confirmed", where=where),
        removals_are_confirmed=_choice(one, "removals", "confirmed", "trusted", where=where),
    )


def _check_disposition(one: Mapping[str, Any], *, where: str) -> None:
    disposition = one.get("write_disposition", "merge")
    if disposition not in (
        "merge",
        {"disposition": "merge"},
        {"disposition": "merge", "strategy": "delete-insert"},
    ):
        refuse(f"`write_disposition` {disposition!r} of {where}", '"merge"')


def _check_claims(one: Mapping[str, Any], pages: Pages, *, where: str) -> None:
    """Refuses claims about the list that have no effect with its paginator."""
    if one.get("removals") == "trusted" and "removals" not in pages.claims:
        refuse(f"`removals` of {where}", '"confirmed" with this paginator: the proof decides on removals')
    if one.get("sort_field") is not None and "sort_field" not in pages.claims:
        refuse(f"`sort_field` of {where}", "the paginator `offset` with it: other pages do not overlap")
    if one.get("order") is not None and "order" not in pages.claims:
        refuse(f"`order` of {where}", "the paginator `offset` with it: it adds no proof to numbered pages")


def _parse_hints(one: Mapping[str, Any], *, where: str) -> dict[str, Any]:
    """Reads the hints. A contract that discards is refused: the table would be incomplete silently."""
    contract = one.get("schema_contract")
    modes = contract.values() if isinstance(contract, Mapping) else (contract,)
    if any(str(mode).startswith("discard") for mode in modes):
        refuse(f"`schema_contract` {contract!r} of {where}", '"evolve" or "freeze"')
    hints = {key: one[key] for key in sorted(_HONOURED) if one.get(key) is not None}
    if contract == "freeze":
        # Not `tables`: they must be creatable at the first sync.
        hints["schema_contract"] = {"columns": "freeze", "data_type": "freeze"}
    return hints


def _parse_field(one: Mapping[str, Any], key: str, *, where: str) -> tuple[str, ...] | None:
    path = one.get(key)
    if path is None:
        return None
    if not isinstance(path, str) or not path:
        raise ConfigError(f"`{key}` of {where} must be a dotted path, such as `name`.")
    return tuple(path.split("."))


def _parse_detail_path(path: Any, key: Key, *, where: str) -> str | None:
    if path is None:
        return None
    own = without_placeholders(path) if isinstance(path, str) else path
    key.check_placeholders(own, where=f"`detail_path` of {where}")
    _refuse_userinfo(path, where=f"`detail_path` of {where}")
    return str(path)


def _parse_path(value: Any, *, where: str) -> Any:
    path = _plain(value, where=where)
    _refuse_userinfo(str(path), where=where)
    return path


def _refuse_userinfo(url: str, *, where: str) -> None:
    if has_userinfo(url):
        refuse(f"The user or password in {where}", "the connection's login and password")


def _parse_ignored(paths: Any, *, where: str) -> tuple[tuple[str, ...], ...]:
    if isinstance(paths, str) or not all(isinstance(path, str) and path for path in paths):
        raise ConfigError(f"`ignored_fields` of {where} must be a list of dotted paths.")
    return tuple(tuple(path.split(".")) for path in paths)


def _plain(value: Any, *, where: str) -> Any:
    """Returns a plain value, or one with references to a parent; one bound to dlt's state is refused."""
    text = without_placeholders(value) if isinstance(value, str) else ""
    if isinstance(value, Mapping) or re.search(r"\{[^}]*\}", text):
        refuse(f"The binding in {where}", "a plain value, or `{resources.<parent>.<field>}`")
    return value


def _choice(one: Mapping[str, Any], key: str, valid: str, *others: str, where: str) -> bool:
    value = one.get(key)
    if value not in (None, valid, *others):
        refuse(f"`{key}` {value!r} of {where}", ", ".join(map(repr, (valid, *others))))
    return value == valid
