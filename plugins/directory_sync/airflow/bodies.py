"""What each task does: opens what it needs, makes one call into a stage, and tells the outcome."""

import logging
from collections.abc import Iterator, MutableMapping
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

from airflow.sdk.exceptions import AirflowSkipException, DownstreamTasksSkipped

from directory_sync.airflow.params import OFFLINE_MODES
from directory_sync.airflow.retry import NOTE
from directory_sync.airflow.scope import TaskScope
from directory_sync.audit import stage as audit_stage
from directory_sync.audit.compare import RAISED_LIMITS
from directory_sync.audit.report import AuditReport
from directory_sync.audit.stage import compare_again
from directory_sync.errors import ConfigError, DirectorySyncError
from directory_sync.landing.zone import REPORT, LandedSnapshot
from directory_sync.publish import removals
from directory_sync.publish import stage as publish_stage
from directory_sync.publish.question import Question, landed_decision, landed_question
from directory_sync.publish.replay import replay
from directory_sync.warehouse.warehouse import Warehouse

logger = logging.getLogger(__name__)

ROLLED_FORWARD = "rolled_forward.json"
"""Names the syncs of other runs that this one finished: its event tells of them."""

Summary = dict[str, Any]
"""What goes to XCom and to the asset event: counts, digests, findings."""


def audit(scope: TaskScope) -> Summary:
    """Seals, checks and compares the snapshot; in mode `decide`, asks about what is held."""
    if scope.skip_reason:
        _note(scope, f"Skipped: {scope.skip_reason}")
        raise AirflowSkipException(scope.skip_reason)
    if scope.mode == "replay":
        raise AirflowSkipException("A replay publishes what was audited before.")
    try:
        return _audit(scope)
    except DirectorySyncError:
        # The task that publishes does not run then.
        scope.retire_landing()
        raise


def _audit(scope: TaskScope) -> Summary:
    with scope.folder() as folder:
        if scope.mode == "decide":
            with _opened(scope, folder) as warehouse:
                return _ask_again(scope, warehouse)
        with closing(scope.client()) as client:
            job = scope.audit_job(folder)
            report = audit_stage.audit(
                job,
                open_warehouse=partial(_opened, scope, folder),
                read_page=client.page,
                has_entry=client.has_entry if job.resource.detail_path else None,
            )
    _log(report)
    if scope.mode == "dry_run":
        _note(scope, f"Dry run, nothing was published. {report.headline()}")
    return report.summary()


@contextmanager
def _opened(scope: TaskScope, folder: Path) -> Iterator[Warehouse]:
    """The warehouse, with nothing left in it that an interrupted run had begun."""
    with scope.open_warehouse(folder) as warehouse:
        if scope.mode != "dry_run":
            finished = publish_stage.roll_forward(
                scope.resource, warehouse=warehouse, landed_of=scope.landed.of_run
            )
            if finished:
                scope.landed.write_json(ROLLED_FORWARD, {"sync_ids": finished})
        yield warehouse


def _ask_again(scope: TaskScope, warehouse: Warehouse) -> Summary:
    question = _ask(scope, warehouse)
    if question is None:
        _note(scope, f"{scope.resource.name}: no removal waits for a decision")
        raise AirflowSkipException("No removal waits for a decision.")
    return {"held": question.held, "held_digest": question.digest}


def publish(scope: TaskScope, event: MutableMapping[str, Any]) -> Summary:
    """Publishes the difference; where nobody is to be asked, the tasks after it are skipped.

    Args:
        scope: the task's.
        event: the extra of its asset event.
    """
    if scope.mode == "replay":
        return _replay(scope, event)
    try:
        return _publish(scope, event)
    finally:
        scope.retire_landing()


def _publish(scope: TaskScope, event: MutableMapping[str, Any]) -> Summary:
    if scope.skip_reason or scope.mode in ("dry_run", *OFFLINE_MODES):
        raise AirflowSkipException(scope.skip_reason or f"The mode `{scope.mode}` publishes nothing.")
    question = None
    with scope.folder() as folder, scope.open_warehouse(folder) as warehouse:
        report = publish_stage.publish(
            scope.resource,
            scope.landed,
            _landed_report(scope.landed),
            warehouse=warehouse,
            compare_again=lambda: compare_again(scope.audit_job(folder), warehouse=warehouse),
            clock_tolerance=scope.settings.clock_tolerance,
            limits=scope.limits,
        )
        if not report.skipped and (report.holds.asks or _was_never_asked(scope, warehouse, report)):
            question = _ask(scope, warehouse, report)
    _tell(scope, report)
    if report.skipped:
        raise AirflowSkipException(report.headline())
    rolled_forward = (scope.landed.read_json(ROLLED_FORWARD) or {}).get("sync_ids", [])
    summary = report.summary()
    event.update(summary | {"sync_ids": [*rolled_forward, report.sync_id]})
    if question is None:
        _skip_what_follows(scope, summary)
    return summary


def remove(scope: TaskScope, event: MutableMapping[str, Any]) -> Summary:
    """Carries out an approved removal.

    Args:
        scope: the task's.
        event: the extra of its asset event.
    """
    question = landed_question(scope.landed)
    decision = landed_decision(scope.landed, question) if question else None
    if question is None or decision is None or decision.choice != "approved":
        raise AirflowSkipException("No removal was approved in this run.")
    with scope.folder() as folder, scope.open_warehouse(folder) as warehouse:
        report = removals.remove(
            scope.resource,
            scope.landed,
            question,
            run_id=scope.context["run_id"],
            warehouse=warehouse,
        )
    _tell(scope, report, f"({decision.note(question.held)})")
    summary = report.summary()
    event.update(summary | {"sync_ids": [report.sync_id]})
    return summary


def _was_never_asked(scope: TaskScope, warehouse: Warehouse, report: AuditReport) -> bool:
    """The run that was to ask about the held entries ended before it did."""
    last = warehouse.last_asked(scope.resource) if report.holds.held else None
    return last is not None and landed_question(scope.landed.of_run(last.run_id)) is None


def _ask(scope: TaskScope, warehouse: Warehouse, report: AuditReport | None = None) -> Question | None:
    findings = report.findings if report else ()
    return removals.ask(
        scope.resource,
        scope.landed,
        warehouse=warehouse,
        limits=scope.limits,
        reasons=[finding.message for finding in findings if finding.level == "hold"],
        dataset=scope.settings.dataset,
    )


def _replay(scope: TaskScope, event: MutableMapping[str, Any]) -> Summary:
    with scope.folder() as folder, scope.open_warehouse(folder) as warehouse:
        replayed = replay(scope.audit_job(folder), scope.landing, warehouse=warehouse)
    headline = replayed.headline(scope.resource.name)
    logger.info("%s", headline)
    _note(scope, headline)
    summary = {
        "mode": "replay",
        **{name: list(v) if isinstance(v, tuple) else v for name, v in vars(replayed).items()},
    }
    event.update(summary)
    _skip_what_follows(scope, summary)


def _skip_what_follows(scope: TaskScope, summary: Summary) -> NoReturn:
    """Has the scheduler skip the tasks below: no process starts for them.

    Raises:
        DownstreamTasksSkipped: always; Airflow counts the task as a success, but sees no return value.
    """
    scope.context["ti"].xcom_push(key="return_value", value=summary)
    below = list(scope.context["task"].downstream_task_ids)
    raise DownstreamTasksSkipped(tasks=below)  # type: ignore[no-untyped-call]


def _landed_report(landed: LandedSnapshot) -> AuditReport:
    content = landed.read_json(REPORT)
    if content is None:
        raise ConfigError(
            "The landing zone has no report of this run: the audit has not run, or the landing zone was "
            "emptied. Clear the run's `extract` tasks and let it run again."
        )
    return AuditReport.from_json(content)


def _log(report: AuditReport) -> None:
    logger.info("\n".join(report.lines()))


def _tell(scope: TaskScope, report: AuditReport, *said: str) -> None:
    """Logs a report, and leaves its headline and what else is said for the run's note."""
    _log(report)
    raised = [finding.message for finding in report.findings if finding.rule == RAISED_LIMITS]
    _note(scope, " ".join([report.headline(), *raised, *said]))


def _note(scope: TaskScope, text: str) -> None:
    """Leaves a line for the run's note, which the plugin puts together."""
    scope.context["ti"].xcom_push(key=NOTE, value=text)
