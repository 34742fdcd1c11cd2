"""The files of a snapshot: their names, and what the JSON files hold."""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

import msgspec

DATASET = "landed"
MANIFEST, REPORT, DIFFERENCE = "manifest.json", "report.json", "difference.parquet"
PUBLISHED, SKIPPED = "published.json", "skipped.json"
ROLLED_FORWARD = "rolled_forward.json"
SYNC_ID = re.compile(r"\d{8}T\d{6}-[0-9a-f]{8}(-removal)*")

Moment = Annotated[datetime, msgspec.Meta(tz=True)]
"""A time with its zone."""


@dataclass(frozen=True, kw_only=True)
class Mark:
    """That the warehouse holds a sync, or held it, and where in the order of publication.

    Attributes:
        order: its number, see `publications`; None: it is from before there were numbers.
        base_sync_id: the publication that it came on top of; None: the warehouse was empty.
        base_order: that one's number.
    """

    sync_id: str
    order: int | None = None
    base_sync_id: str | None = None
    base_order: int | None = None


class Published(msgspec.Struct):
    """A published.json; the first release wrote the ids alone."""

    sync_ids: list[str]
    marks: dict[str, dict[str, Any]] = {}


@dataclass(frozen=True, kw_only=True)
class LandedFiles:
    """The files of the latest complete load of each shard, as paths DuckDB reads."""

    loads: tuple[str, ...] = ()
    entries: tuple[str, ...] = ()
    windows: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()
