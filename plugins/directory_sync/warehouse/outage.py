"""Tells an outage of a database from its refusal, as far as its driver's error says."""

import re
from collections.abc import Iterator

_AWAY = frozenset(
    {
        "OperationalError",
        "InterfaceError",
        "AdminShutdown",
        "CrashShutdown",
        "CannotConnectNow",
        "DestinationConnectionError",
    }
)
"""The classes of errors by which drivers say that a server was cut off, ends or begins."""
_REFUSED = frozenset({"28P01", "28000", "3D000"})
"""PostgreSQL's codes: a wrong password; a role that may not log in; a database that does not exist."""
_REFUSED_TEXT = re.compile(
    r"authentication failed|no password supplied|no pg_hba\.conf entry|not permitted to log in"
    r"|(database|role) \".*\" does not exist"
)
"""The same as texts: libpq gives no code where a connection is not opened. A server may speak another
language; its refusal is then taken for an outage."""


def was_away(exception: BaseException) -> bool:
    """Tells whether a database could not be reached, so that waiting helps.

    A server that refuses the login or the database was reached: a person must correct the connection.

    Args:
        exception: the error, with its causes.
    """
    chain = list(_chain(exception))
    return any(type(one).__name__ in _AWAY for one in chain) and not any(map(_is_refusal, chain))


def _is_refusal(error: BaseException) -> bool:
    code = getattr(error, "pgcode", None)
    if code:
        return code in _REFUSED
    return type(error).__name__ == "OperationalError" and bool(_REFUSED_TEXT.search(str(error)))


def _chain(exception: BaseException) -> Iterator[BaseException]:
    current: BaseException | None = exception
    while current:
        yield current
        current = current.__cause__ or current.__context__
