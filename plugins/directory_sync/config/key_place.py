"""Where a request has the API key: a header, a query parameter or a cookie."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from directory_sync.errors import ConfigError

LOCATIONS = ("header", "query", "cookie")


@dataclass(frozen=True, kw_only=True)
class KeyPlace:
    """Where a request has the API key.

    Attributes:
        name: the name of the header, the query parameter or the cookie.
        location: one of LOCATIONS.
        prefix: the text before the key, such as `SSWS`; a word is followed by a space.
    """

    name: str = "Authorization"
    location: str = "header"
    prefix: str = ""

    def value(self, key: str) -> str:
        """Returns the prefix and the key as one text."""
        return f"{self.prefix} {key}" if self.prefix[-1:].isalnum() else f"{self.prefix}{key}"


def check_key_place(key: Mapping[str, str], *, where: str) -> None:
    """Checks what a form or a connection says of an API key's place.

    Args:
        key: by the names of KeyPlace.
        where: the form or the connection, for messages.

    Raises:
        ConfigError: it cannot be sent so.
    """
    if key.get("location", "header") not in LOCATIONS:
        raise ConfigError(
            f"The location {key['location']!r} of the API key in {where} is unknown; valid: "
            f"{', '.join(LOCATIONS)}."
        )
    if not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z\[\]-]+", key.get("name", "-")):
        raise ConfigError(f"The name of the API key in {where} is no name of a header, parameter or cookie.")
    prefix = key.get("prefix", "")
    if not (prefix.isascii() and prefix.isprintable()):
        raise ConfigError(f"The prefix of the API key in {where} has a character that cannot be sent.")
