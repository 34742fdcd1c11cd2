"""Parses the `paginator` of dlt's form into one of the kinds of `paging.py`.

What dlt has and cannot hold with a proof of completeness is refused: `maximum_offset` and `maximum_page` end
a list before its end. Additions to dlt's form: `total_header`, `total_path` of links and cursors,
`cursor_value`, `resend_params`.
"""

import sys
from collections.abc import Mapping
from typing import Any

from dlt.common.jsonpath import compile_path
from jsonpath_ng.exceptions import JSONPathError

from directory_sync.config.paging import DEFAULT_LIMIT, LinkedPages, NumberedPages, OffsetPages, Pages
from directory_sync.config.paths import parse_keys, written
from directory_sync.config.refusal import refuse, refuse_unknown
from directory_sync.errors import ConfigError

_TOTALS = {"total_path", "total_header"}
_OFFSET_KEYS = {
    "type", "limit", "offset", "offset_param", "limit_param", "offset_body_path", "limit_body_path",
    "stop_after_empty_page", "has_more_path", *_TOTALS,
}  # fmt: skip
_NUMBERED_KEYS = {
    "type", "base_page", "page", "page_param", "page_body_path", "stop_after_empty_page", "has_more_path",
    *_TOTALS,
}  # fmt: skip
_LINKED_OPTIONS = {
    "cursor": {"cursor_path", "cursor_param", "cursor_body_path"},
    "json_link": {"next_url_path"},
    "header_link": {"links_next_key"},
    "header_cursor": {"cursor_key", "cursor_param"},
    "single_page": set[str](),
}
"""The options that are passed to dlt's paginator of each type."""

_LINKED_OURS = {
    "cursor": {"stop_after_empty_page", "has_more_path", "cursor_value"},
    "json_link": {"resend_params"},
    "header_link": {"resend_params"},
    "header_cursor": {"cursor_value"},
    "single_page": set[str](),
}
"""The options that the reader of links carries out itself."""

TYPES = ("offset", "page_number", *_LINKED_OPTIONS)


def parse_pages(paginator: Any, *, where: str) -> Pages:
    """Parses a paginator.

    Args:
        paginator: the value in the form: a type's name, a mapping with its `type`, or a paginator of dlt's.
        where: the name of the resource, for messages.

    Raises:
        ConfigError: the type is unknown, or a key is wrong or not supported.
    """
    if (base := _base_paginator()) and isinstance(paginator, base):
        described = _described(paginator)
        if described is None:
            return LinkedPages(type=type(paginator).__name__, paginator=paginator)
        paginator = described
    paginator = {"type": paginator} if isinstance(paginator, str) else paginator
    found = paginator.get("type") if isinstance(paginator, Mapping) else type(paginator).__name__
    if paginator is None:
        raise ConfigError(
            f"{where} has no `paginator`, and how a list is paged is not guessed. Paginators: "
            f'{", ".join(TYPES)}; such as {{"type": "offset", "limit": 100}}. `python -m directory_sync '
            "probe URL` finds the one of most lists."
        )
    if not isinstance(paginator, Mapping) or found not in TYPES:
        refuse(f"Paginator {found!r} of {where}", f'{{"type": "offset", "limit": 100}}; {", ".join(TYPES)}')
    _refuse_maximum(paginator, where=f"the paginator of {where}")
    if found == "offset":
        return _parse_offset(paginator, where=f"the paginator of {where}")
    if found == "page_number":
        return _parse_numbered(paginator, where=f"the paginator of {where}")
    return _parse_linked(paginator, where=f"the paginator of {where}")


def _parse_offset(paginator: Mapping[str, Any], *, where: str) -> OffsetPages:
    refuse_unknown(paginator, _OFFSET_KEYS, where=where)
    limit = paginator.get("limit", DEFAULT_LIMIT)
    if not isinstance(limit, int) or isinstance(limit, bool) or limit < 2:
        raise ConfigError(f"`limit` in {where} is {limit!r}; it must be 2 or more.")
    first = paginator.get("offset") or 0
    if first not in (0, 1) or isinstance(first, bool):
        refuse(
            f"`offset` {first!r} in {where}", "0, or 1 where the API counts entries from 1: none is left out"
        )
    _flag(paginator, "stop_after_empty_page", where=where)
    offset_param, offset_body_path = _param(paginator, "offset", where=where)
    limit_param, limit_body_path = _param(paginator, "limit", where=where)
    return OffsetPages(
        limit=limit,
        first=first,
        offset_param=offset_param,
        limit_param=limit_param,
        offset_body_path=offset_body_path,
        limit_body_path=limit_body_path,
        **_total(paginator, where=where, default=("total",)),
    )


def _parse_numbered(paginator: Mapping[str, Any], *, where: str) -> NumberedPages:
    """Parses numbered pages. dlt's default `total_path` is not used: it mostly counts entries."""
    refuse_unknown(paginator, _NUMBERED_KEYS, where=where)
    base = _given(paginator, "base_page", default=0)
    if not isinstance(base, int) or isinstance(base, bool) or base < 0:
        raise ConfigError(f"`base_page` in {where} is {base!r}; it must be a whole number from 0 on.")
    if _given(paginator, "page", default=base) != base:
        refuse(f"`page` {paginator['page']!r} in {where}", f"`base_page`, {base}: no page is left out")
    total = _total(paginator, where=where)
    if _flag(paginator, "stop_after_empty_page", where=where) is False and not total["total_is_declared"]:
        refuse(
            f"`stop_after_empty_page` False in {where}",
            "True; False needs a `total_path` that counts the pages, or nothing would end the list",
        )
    page_param, page_body_path = _param(paginator, "page", where=where)
    return NumberedPages(base_page=base, page_param=page_param, page_body_path=page_body_path, **total)


def _parse_linked(paginator: Mapping[str, Any], *, where: str) -> LinkedPages:
    kind = paginator["type"]
    known = _LINKED_OPTIONS[kind]
    refuse_unknown(paginator, known | _LINKED_OURS[kind] | {"type"} | _TOTALS, where=where)
    options = {key: text for key in sorted(known) if (text := _text(paginator, key, where=where))}
    for key in options.keys() & {"cursor_path", "next_url_path"}:
        try:
            compile_path(options[key])
        except JSONPathError:
            raise ConfigError(
                f"`{key}` {options[key]!r} in {where} is not a JSONPath. Write keys joined by dots, such as "
                "`meta.next`; a key with a dot in it as `['@odata.nextLink']`."
            ) from None
    if {"cursor_param", "cursor_body_path"} <= options.keys():
        refuse(f"`cursor_param` beside `cursor_body_path` in {where}", "one of the two")
    return LinkedPages(
        type=kind,
        options=options,
        start=_start(paginator.get("cursor_value"), where=where),
        stops_when_empty=_flag(paginator, "stop_after_empty_page", where=where) or False,
        resends_params=_flag(paginator, "resend_params", where=where) or False,
        **_total(paginator, where=where),
    )


def _param(paginator: Mapping[str, Any], name: str, *, where: str) -> tuple[str, str | None]:
    """Returns the query parameter of a name, and the path in the body that replaces it, if there is one."""
    param = _text(paginator, f"{name}_param", where=where)
    path = _text(paginator, f"{name}_body_path", where=where)
    if param and path:
        refuse(f"`{name}_param` beside `{name}_body_path` in {where}", "one of the two")
    return param or name, path


def _total(
    paginator: Mapping[str, Any], *, where: str, default: tuple[str, ...] | None = None
) -> dict[str, Any]:
    """Returns where the API's total stands, and its word whether more follows."""
    header = _text(paginator, "total_header", where=where)
    path, more = paginator.get("total_path", "" if header else None), paginator.get("has_more_path")
    if header and path:
        refuse(f"`total_header` beside `total_path` in {where}", "one of the two")
    if not path and (header or "total_path" in paginator):
        default = None
    return {
        "total_path": parse_keys(path, where=f"`total_path` of {where}") if path else default,
        "total_header": header,
        "total_is_declared": bool(path or header),
        "has_more_path": parse_keys(more, where=f"`has_more_path` of {where}") if more else None,
    }


def _refuse_maximum(paginator: Mapping[str, Any], *, where: str) -> None:
    for key in ("maximum_offset", "maximum_page"):
        if paginator.get(key) is not None:
            refuse(
                f"`{key}` in {where}",
                "no such key: a list that is cut would be published as complete, and the rest as removed. To "
                "read a part of the directory, select it by `params`",
            )


def _given(paginator: Mapping[str, Any], key: str, *, default: Any) -> Any:
    value = paginator.get(key)
    return default if value is None else value


def _flag(paginator: Mapping[str, Any], key: str, *, where: str) -> bool | None:
    value = paginator.get(key)
    if value is not None and not isinstance(value, bool):
        raise ConfigError(f"`{key}` in {where} is of type {type(value).__name__}; True or False is needed.")
    return value


def _text(paginator: Mapping[str, Any], key: str, *, where: str) -> str | None:
    value = paginator.get(key)
    if value is not None and (not isinstance(value, str) or not value):
        raise ConfigError(f"`{key}` in {where} is of type {type(value).__name__}; a name is needed.")
    return value


def _start(value: Any, *, where: str) -> str | None:
    if value is not None and (not isinstance(value, str | int) or isinstance(value, bool)):
        raise ConfigError(f"`cursor_value` in {where} is of type {type(value).__name__}; a text is needed.")
    return None if value is None else str(value)


def _base_paginator() -> Any:
    """Returns dlt's base class, if the Dag file has imported it; else the form holds no such object."""
    module = sys.modules.get("dlt.sources.helpers.rest_client.paginators")
    return module and module.BasePaginator


def _described(paginator: Any) -> dict[str, Any] | None:
    """Returns a paginator of dlt's as the form writes it; None: the class is not one of dlt's own."""
    kind = type(paginator)
    known = {
        "OffsetPaginator": ("offset", ("limit", "limit_param", "limit_body_path", "stop_after_empty_page")),
        "PageNumberPaginator": ("page_number", ("stop_after_empty_page",)),
        "JSONResponseCursorPaginator": (
            "cursor", ("cursor_path", "cursor_param", "cursor_body_path", "stop_after_empty_page"),
        ),
        "JSONLinkPaginator": ("json_link", ("next_url_path",)),
        "HeaderLinkPaginator": ("header_link", ("links_next_key",)),
        "HeaderCursorPaginator": ("header_cursor", ("cursor_key", "cursor_param")),
        "SinglePagePaginator": ("single_page", ()),
    }  # fmt: skip
    if kind.__name__ not in known or kind.__module__ != "dlt.sources.helpers.rest_client.paginators":
        return None
    name, attributes = known[kind.__name__]
    form = {"type": name} | {key: getattr(paginator, key) for key in attributes}
    if name == "offset":
        form |= {"offset": paginator.initial_value, "maximum_offset": paginator.maximum_value}
        form |= {"offset_param": paginator.param_name, "offset_body_path": paginator.param_body_path}
    if name == "page_number":
        form |= {"base_page": paginator.base_index, "page": paginator.initial_value}
        form |= {"page_param": paginator.param_name, "page_body_path": paginator.param_body_path}
        form |= {"maximum_page": paginator.maximum_value}
    if name in ("offset", "page_number") and str(paginator.total_path) != "total":
        # `total` is dlt's default; whether the form has named it cannot be seen.
        form["total_path"] = paginator.total_path and written(parse_keys(paginator.total_path, where=name))
    if more := getattr(paginator, "has_more_path", None):
        form["has_more_path"] = str(more)
    return {key: str(value) if key.endswith("_path") and value else value for key, value in form.items()}
