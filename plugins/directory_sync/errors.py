"""The errors, classed by what happens next.

    DirectorySyncError
    ├── PermanentError              Airflow fails the task at once; a person acts
    │   ├── ConfigError             a setting or a connection is missing or wrong: correct it
    │   ├── AuthError               401 after a renewal, 403, token refused: check the connection
    │   ├── ApiError                any other status: the message names what to check
    │   ├── EnvelopeError           the body has another form than the resource says: correct data_selector
    │   ├── DataError               an entry that the warehouse cannot hold: correct it, or set it aside
    │   └── RemovalsHeld            an approval is stale: trigger mode `decide`
    └── TransientError              Airflow retries the task; an outage for hours, else three times
        ├── ApiUnavailableError     429, 500, 502, 503, 504, lost connections, after three retries
        ├── SnapshotError           not proven complete, or damaged: the audit reads offset pages again
        └── WarehouseError          the warehouse refused a statement, or another process holds it

A message says what happened, where, what was not done and what to do next. It holds settings, paths,
types, counts and ids; never a token, a header or an entry. The runbook has one heading per class.
"""

import re
from collections.abc import Iterator
from typing import NoReturn


class DirectorySyncError(Exception):
    """Root of all errors of this package."""


class PermanentError(DirectorySyncError):
    """A retry would fail in the same way."""


class TransientError(DirectorySyncError):
    """A later try can succeed.

    Attributes:
        is_outage: something cannot be reached or is not free, so waiting helps; tries go on for hours.
    """

    is_outage = False

    def marked(self, *, is_outage: bool) -> "TransientError":
        """Says of this one error whether it is an outage; returns it."""
        self.is_outage = is_outage
        return self


class ConfigError(PermanentError):
    """A setting, a connection or the resource's form is missing or wrong."""


class AuthError(PermanentError):
    """The API refuses the client: 401 after one renewal, 403, or no token."""


class ApiError(PermanentError):
    """The API answered with a status that a retry does not cure.

    Attributes:
        status: the HTTP status of the answer; None where the error is not about one answer.
    """

    def __init__(self, message: str, *, status: int | None = None) -> None:
        """Stores the message and the status."""
        super().__init__(message)
        self.status = status


class EnvelopeError(PermanentError):
    """The body of an answer has another form than the configuration of the resource says."""


class DataError(PermanentError):
    """The warehouse cannot hold an entry; the message has the entry's id, the field and the reason."""


class RemovalsHeld(PermanentError):  # noqa: N818  a hold, by its name in the UI
    """An approval is stale: the warehouse or the question has changed since. Nothing was removed."""


class ApiUnavailableError(TransientError):
    """The API cannot answer now.

    Attributes:
        retry_after_seconds: the wait that the API asked for, if it is too long to sleep in the task;
            None: the policy's own delay is used.
    """

    is_outage = True

    def __init__(self, message: str, *, retry_after_seconds: float | None = None) -> None:
        """Stores the message and the wait that the API asked for, in seconds."""
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class SnapshotError(TransientError):
    """The snapshot is damaged, is not proven complete, or does not agree with the API's own count."""


class WarehouseError(TransientError):
    """The warehouse refused a statement, or another process holds it."""

    is_outage = True


def find_error(exception: BaseException) -> DirectorySyncError | None:
    """Returns the first DirectorySyncError in the chain of an exception, or None.

    dlt wraps the error of a resource in two exceptions of its own. The original error is found on
    `__cause__`, on `__context__`, or on the attribute `exception` of dlt's exceptions.
    """
    return next((e for e in _chain(exception) if isinstance(e, DirectorySyncError)), None)


_PROMISE = re.compile(r"([.;]?) ?\bAirflow tries\s+again(?:; (\w)|\.|$)")


def without_promise(message: str) -> str:
    """Returns the message of an error without the promise that Airflow tries again.

    Args:
        message: the message.
    """

    def rest(found: re.Match[str]) -> str:
        before, following = found[1], found[2]
        return f". {following.upper()}" if following else before.replace(";", ".")

    return _PROMISE.sub(rest, message)


def raise_alone(error: DirectorySyncError) -> NoReturn:
    """Raises an error with no other exception chained to it.

    Python chains an error to the exception that ended the enclosing `with` block, also after its `except`.
    The exceptions of other packages may quote entries, so they must not be chained.

    Raises:
        DirectorySyncError: the given error.
    """
    try:
        raise error
    finally:
        error.__context__ = None


def _chain(exception: BaseException) -> Iterator[BaseException]:
    waiting: list[BaseException | None] = [exception]
    seen: set[int] = set()
    while waiting:
        current = waiting.pop(0)
        if not isinstance(current, BaseException) or id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        inner = getattr(current, "exception", None)
        waiting += [current.__cause__, inner, current.__context__]
