"""The files of a snapshot: their names, and what the JSON files hold."""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, NotRequired, TypedDict

import msgspec

from directory_sync.config.kinds import Proof

DATASET = "landed"
MANIFEST, REPORT, DIFFERENCE = "manifest.json", "report.json", "difference.parquet"
PUBLISHED, SKIPPED = "published.json", "skipped.json"
ROLLED_FORWARD = "rolled_forward.json"
SYNC_ID = re.compile(r"\d{8}T\d{6}-[0-9a-f]{8}(-removal)*")

Moment = Annotated[datetime, msgspec.Meta(tz=True)]
"""A time with its zone."""


class _Finding(msgspec.Struct, forbid_unknown_fields=True):
    rule: str
    level: str
    message: str


class Manifest(TypedDict):
    """What the audit reads of a manifest; there is more in it, for people."""

    sync_id: str
    loads: list[str]
    files: dict[str, list[str]]
    seal: "_SealFigures"
    api: "_ApiFigures"
    order_is_observed: bool
    first_requested_at: Moment
    last_requested_at: Moment
    findings: list[_Finding]


class _SealFigures(TypedDict):
    windows: int
    joints: int
    bridged: int
    contradictions: int
    proof: NotRequired[Proof]


class _ApiFigures(TypedDict):
    answers: int
    retries: int
    refused: int


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
