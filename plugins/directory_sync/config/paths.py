"""Parses the JSONPaths of a form that lead to one place in the body of an answer."""

import re
from typing import Any, NamedTuple

from dlt.common.jsonpath import compile_path
from jsonpath_ng import Child, Fields, JSONPath, Root, Slice, This
from jsonpath_ng.exceptions import JSONPathError

from directory_sync.config.refusal import refuse
from directory_sync.errors import ConfigError

_PLAIN = re.compile(r"\$?\.?(?:[^\[\]*?()'\"\s.]+(?:\.[^\[\]*?()'\"\s.]+)*)?")
"""Keys joined by dots. Some of them, such as `a:b`, are no JSONPath, and are read all the same."""

_WOULD_DO = (
    "the keys to one list, such as `$.result.items`, `$['value']` or `edges[*].node`; select entries by "
    "`params`"
)


class ListPath(NamedTuple):
    """Where the entries stand in the body.

    Attributes:
        keys: the keys that lead to the list; empty: the body is the list.
        item: the keys that lead from an item of the list to the entry; empty: the item is the entry.
    """

    keys: tuple[str, ...]
    item: tuple[str, ...] = ()


def parse_list_path(path: Any, *, where: str) -> ListPath:
    """Parses a `data_selector`: `result.items`, `$['value']`, `data[*]`, `edges[*].node`; `$` is the body.

    Args:
        path: the value in the form.
        where: the name of its resource, for messages.

    Raises:
        ConfigError: it is empty, or leads to several lists, or has an index or a filter.
    """
    if not path:
        raise ConfigError(f"{where} has no `data_selector`: name the list in the body, or `$`.")
    steps = _steps(path)
    if steps is None or steps.count(None) > 1:
        refuse(f"The path {str(path)!r} of {where}", _WOULD_DO)
    at = steps.index(None) if None in steps else len(steps)
    return ListPath(_keys(steps[:at]), _keys(steps[at + 1 :]))


def parse_keys(path: Any, *, where: str) -> tuple[str, ...]:
    """Parses a path to one value, such as `meta.total` or `['@odata.count']`, into its keys.

    Args:
        path: the value in the form.
        where: the name of the setting and its resource, for messages.

    Raises:
        ConfigError: it is no such path.
    """
    steps = _steps(path)
    if not steps or None in steps:
        refuse(
            f"The path {str(path)!r} of {where}", "keys joined by dots, `meta.total`, or `['@odata.count']`"
        )
    return _keys(steps)


def written(keys: tuple[str, ...]) -> str:
    """Returns keys as a JSONPath that both dlt and this package read: `meta.next`, `['@odata.nextLink']`."""
    if all(re.fullmatch(r"[A-Za-z_][A-Za-z0-9_-]*", key) for key in keys):
        return ".".join(keys) or "$"
    return "".join(f"['{key}']" for key in keys)


def _keys(steps: list[str | None]) -> tuple[str, ...]:
    return tuple(step for step in steps if step is not None)


def _steps(path: Any) -> list[str | None] | None:
    """Returns the keys of a path, None for `[*]` among them; None for the whole: it leads to several places.

    `[*]` at the end of a path to a list is the list itself, as in dlt.
    """
    if isinstance(path, str) and _PLAIN.fullmatch(path):
        keys = path.removeprefix("$").removeprefix(".")
        return [*keys.split(".")] if keys else []
    if re.search(r"(?<!\[)\*|\*(?!\])", str(path)):
        # `.*` takes the values of an object, too.
        return None
    try:
        return _steps_of(compile_path(path))
    except (JSONPathError, AttributeError, TypeError):
        return None


def _steps_of(path: JSONPath) -> list[str | None] | None:
    match path:
        case Root() | This():
            return []
        case Fields(fields=(str(key),)) if key != "*":
            return [key]
        # `[*]` is a slice in older versions of jsonpath-ng, a class of its own in newer ones.
        case Slice(start=None, end=None, step=None):
            return [None]
        case _ if type(path).__name__ == "Wildcard":
            return [None]
        case Child(left=left, right=right):
            before, behind = _steps_of(left), _steps_of(right)
            return None if before is None or behind is None else [*before, *behind]
        case _:
            return None
