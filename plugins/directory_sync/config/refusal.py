"""Refuses the parts of a form that are not supported, so that none is ignored silently."""

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
