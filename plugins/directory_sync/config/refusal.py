"""Refuses what the form says and this package cannot honour; nothing is ignored."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, NoReturn

from directory_sync.errors import ConfigError


def refuse(what: str, valid: str) -> NoReturn:
    """Raises the ConfigError that names what is wrong and what is valid; `parse_form` adds the file."""
    raise ConfigError(f"{what} cannot be honoured, and nothing is ignored here. Valid: {valid}.")


def refuse_unknown(given: Any, known: Iterable[str], *, where: str) -> None:
    """Refuses keys of a mapping that are not known; one without a value says nothing."""
    if not isinstance(given, Mapping):
        raise ConfigError(f"{where} is a {type(given).__name__}; a mapping is needed.")
    unknown = sorted(key for key, value in given.items() if key not in known and value is not None)
    if unknown:
        refuse(f"`{'`, `'.join(unknown)}` in {where}", ", ".join(sorted(known)))


def parse_selector(path: Any, *, where: str) -> tuple[str, ...]:
    """Reads `a.b` or `$.a.b`; `$` is the body itself. Wildcards and filters are refused."""
    if not path:
        raise ConfigError(f"{where} has no `data_selector`: name the list in the body, or `$`.")
    keys = str(path).removeprefix("$").removeprefix(".").removesuffix("[*]")
    selector = tuple(keys.split(".")) if keys else ()
    if not all(re.fullmatch(r"[^\[\]*?()'\"\s]+", key) for key in selector):
        refuse(f"The path {path!r} of {where}", "keys joined by dots, such as `result.items`")
    return selector
