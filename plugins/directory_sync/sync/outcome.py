"""What a stage of a sync came to."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from directory_sync.audit.report import AuditReport
    from directory_sync.publish.question import Question
    from directory_sync.publish.replay import Replayed
    from directory_sync.warehouse.written import Written

Summary = dict[str, Any]
"""Counts, digests, findings; never a record."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a stage came to.

    Attributes:
        skipped: why the stage did nothing or stopped early; None: it did its work.
        note: a line for the run's note; None: the stage adds none.
        summary: what later stages and the asset event are given.
        sync_ids: the publications that the asset event lists.
        is_last: the stages after this one have nothing to do in this run.
        report: the report of the audit or of the publication.
        question: what a person is asked; None: no question is open.
        replayed: what a replay did; None: the stage was no replay.
        written: the tables that the stage wrote; None: it wrote none.
    """

    skipped: str | None = None
    note: str | None = None
    summary: Mapping[str, Any] = field(default_factory=dict)
    sync_ids: tuple[str, ...] = ()
    is_last: bool = False
    report: "AuditReport | None" = None
    question: "Question | None" = None
    replayed: "Replayed | None" = None
    written: "Written | None" = None

    @property
    def event(self) -> Summary:
        """The extra of the asset event."""
        event = {**self.summary, "sync_ids": list(self.sync_ids)}
        if self.written is not None:
            event["schema"] = {name: dict(columns) for name, columns in self.written.tables.items()}
        return event
