"""The errors, classed by what happens next.

    DirectorySyncError
    ├── PermanentError              Airflow fails the task at once; a person acts
    │   ├── ConfigError             a setting or a connection is missing or wrong: correct it
    │   ├── AuthError               401 after a renewal, 403, token refused: check the connection
    │   ├── ApiError                any other status: read what the message names
    │   ├── EnvelopeError           the body is not what the resource says: correct data_selector
    │   ├── DataError               an entry that the warehouse cannot hold: correct it, or set it aside
    │   └── RemovalsHeld            more removals than the limits allow: approve or reject
    └── TransientError              Airflow retries the task
        ├── ApiUnavailableError     429, 5xx, lost connections, after the client's own retries
        ├── SnapshotError           not sealed or not reconciled: the audit reads the API again
        └── WarehouseError          the destination refused or is locked

A message says what happened, where, what was not done and what to do next. It holds settings, paths,
types, counts and ids; never a token, a header or an entry. The runbook has one heading per class.
"""

from collections.abc import Iterator
from typing import NoReturn


class DirectorySyncError(Exception):
    """Root of all errors of this package."""


class PermanentError(DirectorySyncError):
    """A retry would fail in the same way."""


class TransientError(DirectorySyncError):
    """A later try can succeed."""


class ConfigError(PermanentError):
    """A setting, a connection or the resource's form is missing or wrong."""


class AuthError(PermanentError):
    """The API refuses the client: 401 after one renewal, 403, or no token."""


class ApiError(PermanentError):
    """The API answered with a status which a retry does not cure.

    Attributes:
        status: the status of the answer; None where the error is about no single one.
    """

    def __init__(self, message: str, *, status: int | None = None) -> None:
        """Keeps the status."""
        super().__init__(message)
        self.status = status


class EnvelopeError(PermanentError):
    """The body of an answer is not what the resource's form says."""


class DataError(PermanentError):
    """An entry that the warehouse cannot hold; it is named by its id, with the field and the reason."""


class RemovalsHeld(PermanentError):  # noqa: N818  a hold, by its name in the UI
    """The removals exceed a limit; everything else is published."""


class ApiUnavailableError(TransientError):
    """The API cannot answer now.

    Attributes:
        retry_after_seconds: the wait the API asked for where that is longer than a worker should
            sleep; None lets Airflow's own retry delay stand.
    """

    def __init__(self, message: str, *, retry_after_seconds: float | None = None) -> None:
        """Keeps the wait which the API asked for, in seconds."""
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class SnapshotError(TransientError):
    """The snapshot cannot be proven complete, or does not agree with the API's own count."""


class WarehouseError(TransientError):
    """The warehouse refused a statement, or another process holds it."""


def find_error(exception: BaseException) -> DirectorySyncError | None:
    """Returns the first error of ours in the chain of an exception, or None.

    dlt wraps what a resource raises in two exceptions of its own; the class that says what happens
    next is found on `__cause__`, `__context__` or dlt's `.exception`.
    """
    return next((e for e in _chain(exception) if isinstance(e, DirectorySyncError)), None)


def raise_alone(error: DirectorySyncError) -> NoReturn:
    """Raises an error with nothing chained to it.

    What is raised at the end of a `with` is chained to what ended it, even behind the `except`; and what
    others raise quotes entries.
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
