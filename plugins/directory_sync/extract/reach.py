"""How far the offsets of an API reach: its errors behind some offset, and what an `offset` of 1 means."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from directory_sync.errors import ApiError, ApiUnavailableError, ConfigError, EnvelopeError

if TYPE_CHECKING:
    from directory_sync.api.page import Page

ReadOffset = Callable[[int], "Page"]
"""Returns the window at an offset."""


def is_refusal(error: ApiError) -> bool:
    """Tells whether an error is a 4xx: the API refuses the request."""
    return error.status is not None and 400 <= error.status < 500


def reach_error(read: ReadOffset, refused: int, *, limit: int, said: str) -> ApiError:
    """Finds the last offset that the API answers; returns the error that tells it.

    Args:
        read: reads the window at an offset.
        refused: an offset that the API refuses; offset 0 was answered.
        limit: how many entries a window asks for.
        said: what the API answers to the refused offsets.

    Raises:
        DirectorySyncError: the client failed otherwise.
    """
    low, high = 0, refused
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if _is_answered(read, middle) else (low, middle)
    return ApiError(
        f"The API answers {said} to offsets from {high:,} on; the last one that worked is {low:,}, with a "
        f"`limit` of {limit:,}. Whether its list ends there, or the API only limits how far offsets reach (a "
        "result window), cannot be seen. Nothing was published. Use the API's cursor or links, or narrow the "
        "list by a parameter, or ask its vendor to widen the window.",
        status=int(said) if said.isdigit() else None,
    )


def _is_answered(read: ReadOffset, offset: int) -> bool:
    try:
        return bool(read(offset).entries)
    except ApiError as e:
        if not is_refusal(e):
            raise
        return False


def refuse_skipped_first(read: ReadOffset) -> None:
    """Refuses `offset: 1` for an API that counts from 0: the first entry would never be read.

    An API that counts from 1 answers its offset 0 with an error, or as offset 1 (RFC 7644, section 3.4.2.4).
    The list may move between two requests, so a suspicion is checked by a third one: an entry that has left
    the front of the list is not there again.

    Args:
        read: reads the window at an offset; -1 is the API's own offset 0.

    Raises:
        ConfigError: the entry at the API's offset 0 is not the one at its offset 1.
    """
    try:
        before = [entry.id for entry in read(-1).entries]
    except (ApiError, ApiUnavailableError, EnvelopeError):
        return
    # One empty answer proves nothing.
    first = [entry.id for entry in read(0).entries or read(0).entries]
    is_suspect = bool(before) and before[:1] != first[:1] and before[1:2] == first[:1]
    if is_suspect and [entry.id for entry in read(-1).entries][:1] == before[:1]:
        raise ConfigError(
            "`offset` of the paginator is 1, but the API counts entries from 0: its first entry would never "
            "be read. Nothing was published. Leave `offset` out of the resource's paginator."
        )
