"""Puts the stages of one sync of one resource together, from the API to the warehouse, without Airflow.

A run calls these methods of `Sync` in this order. Each may run in a process of its own:

    extract    lands the directory (in the Dag: the shard tasks of `airflow/tasks.py`)
    audit      seals the snapshot; opens the warehouse and finishes interrupted publications; compares;
               keeps the snapshot. Mode `decide`: asks again about the held removals
    publish    writes the difference; asks a person where removals are held. Mode `replay`: rebuilds the
               warehouse from the landing zone
    remove     carries out an approved removal

The Dag's tasks, the integration tests and the bench call these methods. (The Dag's shard tasks call what
`extract` calls: `prepare_landing`, `client` and `done`.) Each stage returns an `Outcome`.
"""

import logging
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from directory_sync.audit.job import Audit
from directory_sync.config.mode import Mode
from directory_sync.config.older_python import UTC
from directory_sync.errors import ConfigError, DirectorySyncError, SnapshotError
from directory_sync.landing.files import REPORT, ROLLED_FORWARD
from directory_sync.sync.outcome import Outcome
from directory_sync.sync.reading import RunReading, task_folder

# Each method imports what only its stage needs, so that shard tasks start without DuckDB.
if TYPE_CHECKING:
    from collections.abc import Iterator

    from directory_sync.audit.report import AuditReport
    from directory_sync.audit.sealed import SealedSnapshot
    from directory_sync.config.form import Resource
    from directory_sync.landing.snapshot import LandedSnapshot
    from directory_sync.publish.question import Question
    from directory_sync.warehouse.warehouse import Warehouse

logger = logging.getLogger(__name__)


class Sync(RunReading):
    """The stages of one run of one resource. The first stage, `extract`, is in `RunReading`.

    Args:
        parts: what the sync works with.
    """

    # ---- audit

    def audit(self, *, skipped_shards: frozenset[int] = frozenset()) -> Outcome:
        """Seals, checks and compares the snapshot; in mode `decide`, asks about the held removals.

        Args:
            skipped_shards: the numbers of the shards that did not read in this run.

        Raises:
            SnapshotError: the snapshot is not sealed, or contradicts the API's total.
            DirectorySyncError: what the client, the audit or the warehouse raises.
        """
        if reason := self.skip_reason:
            return Outcome(skipped=reason, note=f"Skipped: {reason}")
        if self.run.mode is Mode.REPLAY:
            return Outcome(skipped="A replay publishes what was audited before.")
        try:
            return self._audit(skipped_shards) if self.run.mode.reads_api else self._ask_again()
        except DirectorySyncError:
            # `publish`, which retires old folders, does not run after a failed audit.
            self.retire_landing()
            raise

    def _audit(self, skipped_shards: frozenset[int]) -> Outcome:
        from directory_sync.audit.parents import land_parents
        from directory_sync.audit.stage import compare_sealed, sealed

        with (
            task_folder() as folder,
            closing(self.client()) as client,
            sealed(
                replace(self.job(folder), read_from=client.read_from, skipped_shards=skipped_shards),
                read_page=client.page,
            ) as snapshot,
        ):
            if not client.has_given_rate:
                self._remember_rate(snapshot)
            with self.open_warehouse(folder) as warehouse:
                if self.run.mode.writes:
                    self.finish_interrupted(warehouse)
                report = compare_sealed(
                    snapshot,
                    warehouse=warehouse,
                    read_page=client.page,
                    has_entry=client.has_entry if self.resource.detail_path else None,
                )
                tried = {} if self.run.mode.writes else self._tried(report, warehouse)
            if not self.run.is_partial:
                land_parents(snapshot, self.children)
            snapshot.keep()
        _log(report)
        is_dry = not self.run.mode.publishes
        note = f"Dry run, nothing was published. {report.headline()}" if is_dry else None
        return Outcome(summary={**report.summary(), **tried}, note=note, report=report)

    def _remember_rate(self, snapshot: "SealedSnapshot") -> None:
        """Keeps the rate at which the API let the shards in, for the next run."""
        from directory_sync.audit.found_rate import found_rate
        from directory_sync.landing.known_rate import write_known_rate

        if (found := found_rate(snapshot.snapshot.answered(), self.known_rate)) is not None:
            write_known_rate(self.landed.of_resource(), found)
            logger.info("The API let about %.1f requests a second in", found.requests_per_second)

    def _tried(self, report: "AuditReport", warehouse: "Warehouse") -> dict[str, Any]:
        """Returns which columns a publication would add, or why it would fail: for a dry run."""
        from directory_sync.publish.rows import columns_to_come
        from directory_sync.publish.stage import landed_content

        content = landed_content(self.landed, report)
        try:
            return {"columns_to_come": columns_to_come(self.resource, content, warehouse=warehouse)}
        except ConfigError as e:
            return {"columns_to_come": [], "would_fail": str(e)}

    def finish_interrupted(self, warehouse: "Warehouse") -> list[str]:
        """Finishes interrupted publications of earlier runs; returns their ids.

        The ids are landed with this run, so that the asset event of its publication lists them.

        Args:
            warehouse: open, and held by this process.
        """
        from directory_sync.publish.stage import roll_forward

        finished = roll_forward(self.resource, warehouse=warehouse, landed_of=self.landed.of_run)
        if finished:
            self.landed.write_json(ROLLED_FORWARD, {"sync_ids": finished})
        return finished

    def _ask_again(self) -> Outcome:
        with task_folder() as folder, self.open_warehouse(folder) as warehouse:
            self.finish_interrupted(warehouse)
            question = self.ask(warehouse)
        if question is None:
            return Outcome(
                skipped="No removal waits for a decision.",
                note=f"{self.resource.name}: no removal waits for a decision",
            )
        return Outcome(summary={"held": question.held, "held_digest": question.digest}, question=question)

    # ---- publish

    def publish(self) -> Outcome:
        """Publishes the difference and asks about the removals that it held; in mode `replay`, rebuilds.

        Raises:
            ConfigError: the run was not audited; what `publish.stage` raises.
            DirectorySyncError: what `publish.stage` raises.
        """
        if self.run.mode is Mode.REPLAY:
            return self.replay()
        try:
            reason = self.skip_reason
            if not self.run.mode.publishes:
                reason = f"The mode `{self.run.mode}` publishes nothing."
            if reason:
                return Outcome(skipped=reason)
            with task_folder() as folder, self.open_warehouse(folder) as warehouse:
                return self.publish_into(warehouse, folder)
        finally:
            self.retire_landing()

    def publish_into(self, warehouse: "Warehouse", folder: Path) -> Outcome:
        """Publishes the difference into a warehouse that is open.

        Args:
            warehouse: open, and held by this process.
            folder: the one it was opened in.
        """
        from directory_sync.audit.parents import held_for
        from directory_sync.publish.stage import publish
        from directory_sync.warehouse.written import written

        report = _landed_report(self.landed)
        if self.resource.parent is not None and not warehouse.sync(report.sync_id):
            reason = f"`{self.resource.parent.name}` was not published, and its children only with it."
            return Outcome(skipped=reason, note=f"Skipped: {self.resource.name}: {reason}")
        job = self.job(folder)
        held = held_for(self.landed, self.children, sync_id=report.sync_id)
        report = publish(
            replace(job, held_for=held),
            report,
            warehouse=warehouse,
            children=[] if self.run.is_partial else self._children_audited(folder, of=report),
        )
        if report.skipped:
            return replace(self._told(report), skipped=report.headline())
        question = self.ask(warehouse, report) if self._asks(report, warehouse) else None
        rolled_forward = (self.landed.read_json(ROLLED_FORWARD) or {}).get("sync_ids", [])
        return replace(
            self._told(report),
            sync_ids=(*rolled_forward, report.sync_id),
            question=question,
            is_last=question is None,
            written=written(self.resource, warehouse=warehouse),
        )

    def _children_audited(self, folder: Path, *, of: "AuditReport") -> "list[tuple[Audit, AuditReport]]":
        """Returns what the audits of the children worked on, and their reports.

        Raises:
            SnapshotError: a child was audited for another snapshot of this resource.
        """
        jobs = [self.job(folder, of=child) for child in self.children]
        audited = [(job, _landed_report(job.landed)) for job in jobs]
        for job, report in audited:
            if report.origin.parent_sync_id != of.sync_id:
                name = job.resource.name
                raise SnapshotError(
                    f"`{name}` was audited for another snapshot of `{self.resource.name}`. Nothing was "
                    f"published. Clear the `extract` tasks of `{name}`, and the tasks after them."
                )
        return audited

    def _asks(self, report: "AuditReport", warehouse: "Warehouse") -> bool:
        """Tells whether a person must be asked: the audit says so, or an earlier run never asked."""
        from directory_sync.publish.removals import was_never_asked

        if report.holds.asks:
            return True
        return bool(report.holds.held) and was_never_asked(self.resource, self.landed, warehouse=warehouse)

    # ---- ask, remove

    def ask(self, warehouse: "Warehouse", report: "AuditReport | None" = None) -> "Question | None":
        """Lands the question about the entries that are held now; returns None where none are held.

        Args:
            warehouse: open, and held by this process.
            report: the report of the publication that held them; None: the question is asked again.
        """
        from directory_sync.publish import removals
        from directory_sync.publish.question import held_because

        findings = report.findings if report else ()
        return removals.ask(
            self.resource,
            self.landed,
            warehouse=warehouse,
            limits=self._parts.limits,
            reasons=held_because(findings, self._parts.limits),
            dataset=self.settings.dataset,
        )

    def remove(self) -> Outcome:
        """Carries out the removal that was approved in this run.

        Raises:
            RemovalsHeld: the approval is stale: the warehouse has changed since the question.
            WarehouseError: the load failed; a retry finishes it.
        """
        from directory_sync.publish import removals
        from directory_sync.publish.question import landed_decision, landed_question
        from directory_sync.warehouse.written import written

        question = landed_question(self.landed)
        decision = landed_decision(self.landed, question) if question else None
        if question is None or decision is None or decision.choice != "approved":
            return Outcome(skipped="No removal was approved in this run.")
        with task_folder() as folder, self.open_warehouse(folder) as warehouse:
            report = removals.remove(
                self.resource,
                self.landed,
                question,
                run_id=self.run.run_id,
                warehouse=warehouse,
                children=[
                    (child, self._parts.landing.snapshot(child.name, self.run.run_id))
                    for child in self.children
                ],
            )
            tables = written(self.resource, warehouse=warehouse)
        told = self._told(report, f"({decision.note(question.held)})")
        return replace(told, sync_ids=(report.sync_id,), written=tables)

    # ---- replay

    def replay(self) -> Outcome:
        """Rebuilds the warehouse from the landing zone, without requests to the API."""
        from directory_sync.publish.replay import replay
        from directory_sync.warehouse.written import written

        with task_folder() as folder, self.open_warehouse(folder) as warehouse:
            replayed = replay(self.job(folder), self._parts.landing, warehouse=warehouse)
            tables = written(self.resource, warehouse=warehouse) if replayed.sync_ids else None
        headline = replayed.headline(self.resource.name)
        logger.info("%s", headline)
        values = {name: list(v) if isinstance(v, tuple) else v for name, v in vars(replayed).items()}
        return Outcome(
            note=headline,
            summary={"mode": self.run.mode.value, **values},
            sync_ids=replayed.sync_ids,
            is_last=True,
            replayed=replayed,
            written=tables,
        )

    # ---- for all stages

    def job(self, folder: Path, *, of: "Resource | None" = None) -> Audit:
        """Returns what the audit of this run works on.

        Args:
            folder: the task's own folder, for scratch files.
            of: a child of the resource, whose audit is meant; None: the resource's own.
        """
        parent, parent_landed = self.parent, self.parent_landed
        if of is not None:
            parent, parent_landed = self.resource, self.landed
            folder = folder / of.name
            folder.mkdir(exist_ok=True)
        return Audit(
            resource=of or self.resource,
            landed=self._parts.landing.snapshot(of.name, self.run.run_id) if of else self.landed,
            parent=parent,
            parent_landed=parent_landed,
            run=self.run,
            settings=self.settings,
            limits=self._parts.limits,
            raised_limits=self._parts.raised_limits,
            folder=folder,
        )

    @contextmanager
    def open_warehouse(self, folder: Path) -> "Iterator[Warehouse]":
        """Opens the warehouse and holds it until the block ends. Opening publishes nothing.

        Args:
            folder: the task's own; the warehouse works in it.

        Raises:
            ConfigError: the resource's tables belong to another directory.
        """
        from directory_sync.publish.ownership import claim_table
        from directory_sync.warehouse.warehouse import open_warehouse

        with open_warehouse(self._parts.warehouse, self.settings, folder=folder) as warehouse:
            if owner := self._parts.owner:
                claim_table(self.resource.name, owner, warehouse=warehouse)
            yield warehouse

    def retire_landing(self) -> None:
        """Deletes landed folders that are older than the retention, of failed runs and former resources too.

        This is the last step of a run. It needs only the landing zone's connection, because another
        connection may be what failed.
        """
        from directory_sync.publish.retention import retire

        # The earlier of two clocks: a clock that is ahead would delete everything.
        began = self.run.began_at
        now = min([datetime.now(UTC), *([began] if began else [])])
        retire(
            self._parts.landing,
            resources=set(self._parts.resource_names),
            before=now - self.settings.retention,
            keep=self.run.run_id,
            owner=self._parts.owner,
        )

    def _told(self, report: "AuditReport", *said: str) -> Outcome:
        """Logs a publication; returns its outcome, with its headline and `said` as the run's note."""
        from directory_sync.audit.compare import RAISED_LIMITS

        _log(report)
        raised = [finding.message for finding in report.findings if finding.rule == RAISED_LIMITS]
        note = " ".join([report.headline(), *raised, *said])
        return Outcome(note=note, summary=report.summary(), report=report)


def _landed_report(landed: "LandedSnapshot") -> "AuditReport":
    from directory_sync.audit.report import AuditReport

    content = landed.read_json(REPORT)
    if content is None:
        raise ConfigError(
            "The landing zone has no report of this run: the audit has not run, or the landing zone was "
            "emptied. Nothing was published. Clear the run's `extract` tasks and let it run again."
        )
    return AuditReport.from_json(content)


def _log(report: "AuditReport") -> None:
    logger.info("\n".join(report.lines()))
