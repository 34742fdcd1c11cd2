"""Refuses the parts of a form that are not supported, so that none is ignored silently."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, NoReturn

from directory_sync.errors import ConfigError


def refuse(what: str, valid: str) -> NoReturn:
    """Raises the error for a part of the form that is not supported; `parse_form` adds the file.

    Args:
        what: the subject of the message.
        valid: what may stand there instead.

    Raises:
        ConfigError: always.
    """
    raise ConfigError(f"{what} is not supported. Valid: {valid}.")


def refuse_unknown(given: Any, known: Iterable[str], *, where: str) -> None:
    """Refuses unknown keys of a mapping; a key whose value is None is ignored.

    Args:
        given: the mapping in the form.
        known: the supported keys.
        where: the name of the mapping, for messages.

    Raises:
        ConfigError: it is not a mapping, or it has an unknown key.
    """
    if not isinstance(given, Mapping):
        raise ConfigError(f"{where} is a {type(given).__name__}; a mapping is needed.")
    unknown = sorted(key for key, value in given.items() if key not in known and value is not None)
    if unknown:
        refuse(f"`{'`, `'.join(unknown)}` in {where}", ", ".join(sorted(known)))


def parse_selector(path: Any, *, where: str) -> tuple[str, ...]:
    """Parses a path such as `a.b` or `$.a.b` into its keys; `$` is the body itself.

    Args:
        path: the value in the form.
        where: the name of its resource or setting, for messages.

    Raises:
        ConfigError: the path is empty, or has a wildcard or a filter.
    """
    if not path:
        raise ConfigError(f"{where} has no `data_selector`: name the list in the body, or `$`.")
    keys = str(path).removeprefix("$").removeprefix(".").removesuffix("[*]")
    selector = tuple(keys.split(".")) if keys else ()
    if not all(re.fullmatch(r"[^\[\]*?()'\"\s]+", key) for key in selector):
        refuse(f"The path {path!r} of {where}", "keys joined by dots, such as `result.items`")
    return selector
