"""Skips the shards that a small directory does not need, before a process starts for them.

This module is a listener, registered by the plugin. It runs in the scheduler's own transaction when a run
begins. So it must be quick and must not fail. The shards that are left divide the list (`division.py`). The
last publication says how large the list is; a list that has grown is still read to its end by the few.
"""

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow.listeners import hookimpl

from directory_sync.airflow.division import SKIPPED, shards_in
from directory_sync.config.kinds import Proof
from directory_sync.config.mode import Mode
from directory_sync.config.names import TAGS, Stage

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

logger = logging.getLogger(__name__)

ENTRIES_A_SHARD = 5_000
"""For so many entries another shard is worth its start, 1 to 2 s of processor time: 50 pages of 100 take a
shard with 8 requests in flight 0.5 s at 50 ms a page, and 1.3 s at 200 ms."""

SECONDS_A_SHARD = 10.0
"""The same for a slow API: how long the shards of the last publication may have read, added up, for each
that is left. 5,000 entries take well below that, also where many shards start at once on a busy machine."""

PUBLICATIONS_LOOKED_AT = 10
"""How far back one of the whole list is looked for: intervals and replays may lie between."""


@dataclass(frozen=True, kw_only=True)
class LastList:
    """The list as the last publication of all of it found it.

    Attributes:
        proof: what showed that it was complete.
        entries: how many entries the API listed.
        seconds: how long its shards read, added up; 0: it is not known any more.
    """

    proof: str
    entries: int
    seconds: float = 0.0

    def shards_needed(self, count: int) -> int:
        """Returns how many of the shards are worth their start; one at least.

        Args:
            count: how many shards there are.
        """
        if self.proof in (Proof.REREAD, Proof.WALK):
            # Pages are read by the first shard alone.
            return 1
        if self.proof != Proof.CHAIN:
            return count
        needed = max(-(-self.entries // ENTRIES_A_SHARD), int(-(-self.seconds // SECONDS_A_SHARD)), 1)
        return min(needed, count)


@hookimpl
def on_dag_run_running(dag_run: Any) -> None:
    """Skips the shards that a run will not need."""
    try:
        _skip_idle(dag_run)
    except Exception:
        # All shards read then. A fault in this must not stop the scheduler.
        logger.exception("No shard of run %s was skipped", dag_run.run_id)


def _skip_idle(dag_run: Any) -> None:
    from sqlalchemy.orm import object_session

    dag, session = dag_run.dag, object_session(dag_run)
    if dag is None or session is None or not set(TAGS) <= set(dag.tags) or not _reads_all(dag_run):
        return
    for group, shards in shards_in(dag.task_ids).items():
        # The parent's audit stands before those of a child. They divide lists, not entries.
        is_child = any(dag.get_task(task_id).upstream_task_ids for task_id in shards.values())
        if is_child or (last := _last_list(session, dag_run.dag_id, group, shards)) is None:
            continue
        needed = last.shards_needed(len(shards))
        idle = {task_id for number, task_id in shards.items() if number >= needed}
        if idle and _skip(session, dag_run, set(shards.values()), idle):
            logger.info(
                "Run %s reads `%s` with %d of %d shards: the last publication found %d entries",
                dag_run.run_id,
                group.rstrip(".") or dag_run.dag_id,
                needed,
                len(shards),
                last.entries,
            )


def _reads_all(dag_run: Any) -> bool:
    mode = Mode((dag_run.conf or {}).get("mode", Mode.SYNC))
    # A backfill reads intervals.
    return mode.is_full and dag_run.run_type != "backfill"


def _last_list(session: "Session", dag_id: str, group: str, shards: dict[int, str]) -> LastList | None:
    """Returns what the last publication says of the list; None: nothing, or a run failed after it.

    After a failure all shards read: the list may have become too long for a few.
    """
    from airflow.models.dagrun import DagRun
    from airflow.models.xcom import XComModel
    from sqlalchemy import select

    published = session.scalars(
        select(XComModel)
        .where(
            XComModel.dag_id == dag_id,
            XComModel.task_id == f"{group}{Stage.PUBLISH}",
            XComModel.key == "return_value",
        )
        .order_by(XComModel.timestamp.desc())
        .limit(PUBLICATIONS_LOOKED_AT)
    )
    for row in published:
        report = XComModel.deserialize_value(row)
        if isinstance(report, dict) and report.get("mode") in (Mode.SYNC, Mode.REWRITE):
            break
    else:
        return None
    failed = select(DagRun.id).where(
        DagRun.dag_id == dag_id, DagRun.id > row.dag_run_id, DagRun.state == "failed"
    )
    if session.scalar(failed.limit(1)) is not None:
        return None
    took = session.scalars(
        select(XComModel).where(
            XComModel.dag_run_id == row.dag_run_id,
            XComModel.task_id.in_(shards.values()),
            XComModel.key == "seconds",
        )
    )
    return LastList(
        proof=report["proof"],
        entries=report["entries"] + report.get("left_out", 0),
        seconds=sum(XComModel.deserialize_value(one) for one in took),
    )


def _skip(session: "Session", dag_run: Any, shards: set[str], idle: set[str]) -> bool:
    """Skips tasks of a run as Airflow does; tells whether it did.

    Where any shard was begun before, an operator has cleared tasks: those are left to run.
    """
    from airflow.models.taskinstance import TaskInstance
    from sqlalchemy import select

    of_run = session.scalars(
        select(TaskInstance).where(
            TaskInstance.dag_id == dag_run.dag_id,
            TaskInstance.run_id == dag_run.run_id,
            TaskInstance.task_id.in_(shards),
        )
    ).all()
    if {one.task_id for one in of_run if one.state is None and not one.try_number} != shards:
        return False
    for one in of_run:
        if one.task_id in idle:
            one.set_state(SKIPPED, session=session)
    return True
