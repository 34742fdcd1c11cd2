"""The files of a snapshot: their names, and the content of the JSON files."""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

import msgspec

MANIFEST, REPORT, DIFFERENCE = "manifest.json", "report.json", "difference.parquet"
WHO = "who.json"
"""A few of the entries of a difference, for people: who joined, left and changed. It holds content."""
PUBLISHED, SKIPPED = "published.json", "skipped.json"
QUESTION, DECISION = "question.json", "decision.json"
ROLLED_FORWARD = "rolled_forward.json"
FAILED_PARENTS = "failed_parents.json"
"""Which entries of the parent have a list that is not complete, and why. It holds keys: content."""
WITH_PARENTS = "-with-parents"
"""Ends the id of a publication that removes entries of a child with their parents, after an approval."""
SYNC_ID = re.compile(rf"\d{{8}}T\d{{6}}-[0-9a-f]{{8}}(-removal|{WITH_PARENTS})*")

Moment = Annotated[datetime, msgspec.Meta(tz=True)]
"""A time with its zone."""


@dataclass(frozen=True, kw_only=True)
class Mark:
    """The mark of a published sync: the warehouse holds it, or held it; with its place in the order.

    Attributes:
        sync_id: the sync.
        order: its number, see `publish/publications.py`; None: it was published by the first release, which
            had no numbers.
        base_sync_id: the publication before it; None: the warehouse was empty.
        base_order: the number of the publication before it; None: it has none.
    """

    sync_id: str
    order: int | None = None
    base_sync_id: str | None = None
    base_order: int | None = None


class Published(msgspec.Struct):
    """The content of published.json. The first release wrote `sync_ids` only."""

    sync_ids: list[str]
    marks: dict[str, dict[str, Any]] = {}


@dataclass(frozen=True, kw_only=True)
class LandedFiles:
    """The files of the latest complete load of each shard.

    Attributes:
        loads: the ids of these loads.
        entries: the paths of the files of ENTRIES, as DuckDB reads them.
        windows: the paths of the files of WINDOWS.
        fields: the paths of the files of FIELDS.
        lists: the paths of the files of LISTS; only a child resource has some.
    """

    loads: tuple[str, ...] = ()
    entries: tuple[str, ...] = ()
    windows: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()
    lists: tuple[str, ...] = ()
