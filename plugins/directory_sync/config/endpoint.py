"""Parses how a list is asked for by POST, and which answers end it."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from directory_sync.config.paging import Pages
from directory_sync.config.refusal import refuse, refuse_unknown
from directory_sync.errors import ConfigError

GONE_STATUSES = frozenset({404, 410})
"""How an API answers a request for an entry that it does not have."""

END_STATUSES = frozenset({404, 410, 416})
"""The statuses that can say that nothing stands at a place of the list."""

_BINDING = re.compile(r"\{(resources|incremental)\.[^}]*\}")


@dataclass(frozen=True, kw_only=True)
class ListRequest:
    """How a list is asked for, beside its path, its query and its headers.

    Attributes:
        method: GET or POST.
        json: the JSON body; None: there is none.
        data: the fields of a form body; None: there is none.
    """

    method: str = "GET"
    json: Mapping[str, Any] | None = field(default=None, repr=False)
    data: Mapping[str, Any] | None = field(default=None, repr=False)


def parse_list_request(endpoint: Mapping[str, Any], pages: Pages, *, where: str) -> ListRequest:
    """Parses `method`, `json` and `data` of an endpoint.

    Args:
        endpoint: the endpoint in the form.
        pages: how the list is paged; it may set values in the JSON body.
        where: the name of the resource, for messages.

    Raises:
        ConfigError: a value is wrong, or has no effect.
    """
    method = str(endpoint.get("method") or "GET").upper()
    if method not in ("GET", "POST"):
        refuse(f"`method` {endpoint['method']!r} of {where}", "GET, POST")
    json, data = endpoint.get("json"), endpoint.get("data")
    for key, body in (("json", json), ("data", data)):
        if body is not None and not isinstance(body, Mapping):
            refuse(f"`{key}` of type {type(body).__name__} of {where}", "a mapping of names and values")
        if body is not None and method != "POST":
            refuse(f"`{key}` of {where}", '`"method": "POST"` with it: a GET has no body')
        if any(_BINDING.search(text) for text in _texts(body)):
            refuse(f"The binding in `{key}` of {where}", "a plain value")
    if json is not None and data is not None:
        refuse(f"`json` beside `data` of {where}", "one of the two")
    body_paths = _body_paths(pages)
    if body_paths and method != "POST":
        refuse(f"`{body_paths[0]}` as a path in the body of {where}", '`"method": "POST"` with it')
    if body_paths and data is not None:
        refuse(f"`data` of {where}", "`json`: the paginator puts the page into the JSON body")
    for path in pages.body_paths:
        _refuse_taken(json or {}, path, where=where)
    return ListRequest(method=method, json=json, data=data)


def parse_end_statuses(actions: Any, *, where: str) -> frozenset[int]:
    """Parses `response_actions`: the statuses that mean that nothing stands at a place of the list.

    Args:
        actions: the value in the form; None: there are none.
        where: the name of the resource, for messages.

    Raises:
        ConfigError: an action is something else than to ignore one of END_STATUSES.
    """
    valid = f'{{"status_code": {" | ".join(map(str, sorted(END_STATUSES)))}, "action": "ignore"}}'
    if actions is not None and not isinstance(actions, list | tuple):
        refuse(f"`response_actions` of type {type(actions).__name__} of {where}", f"a list of {valid}")
    statuses = set[int]()
    for action in actions or ():
        if not isinstance(action, Mapping) or callable(action.get("action")):
            refuse(f"A function in `response_actions` of {where}", f"{valid}; change entries by `map`")
        refuse_unknown(action, {"status_code", "action", "content"}, where=f"`response_actions` of {where}")
        if action.get("content") is not None:
            refuse(f"`content` in `response_actions` of {where}", f"{valid}: a text in an entry could match")
        if action.get("action") != "ignore":
            refuse(f"The action {action.get('action')!r} in `response_actions` of {where}", valid)
        status = action.get("status_code")
        if status not in END_STATUSES:
            refuse(
                f"`status_code` {status!r} in `response_actions` of {where}",
                f"{valid}: other statuses are faults, and a list that a fault ends would count as complete",
            )
        statuses.add(int(status))
    return frozenset(statuses)


def _body_paths(pages: Pages) -> tuple[str, ...]:
    cursor = getattr(pages, "options", {}).get("cursor_body_path")
    return pages.body_paths or ((cursor,) if cursor else ())


def _refuse_taken(body: Mapping[str, Any], path: str, *, where: str) -> None:
    """Refuses a body that has a value where the paginator sets one, or no object on the way to it."""
    at: Any = body
    *parents, last = path.split(".")
    for key in parents:
        at = at.get(key, {})
        if not isinstance(at, Mapping):
            raise ConfigError(
                f"`{path}` leads through `{key}` in `json` of {where}, which is no object. Correct the path, "
                "or make it an object."
            )
    if last in at:
        refuse(f"`{path}` in `json` of {where}", "the keys of the paginator")


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from _texts(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _texts(one)
