"""When something of a run works, and when nothing does: the waits for the scheduler."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from demo.airflow_api import DagRun, TaskRun

END = "the end"


@dataclass(frozen=True, kw_only=True)
class Timing:
    """Where the time of a run went, in seconds.

    Attributes:
        seconds: from the trigger to the end of the run.
        work_seconds: of these while a task ran, its start of Python and its imports included.
        waits: of these while no task ran, by what was waited for: a stage, or the end of the run.
    """

    seconds: float
    work_seconds: float
    waits: Mapping[str, float]


def timing(run: DagRun, tasks: Sequence[TaskRun]) -> Timing:
    """Adds up a run that has ended.

    A marker that the scheduler ends by itself (an EmptyOperator) is no work: the time until the next task is
    a wait for that task.

    Args:
        run: with all its times.
        tasks: those that ran.
    """
    assert run.queued_at
    assert run.ended_at
    waits: dict[str, float] = {}
    free_since = run.queued_at
    working = [task for task in tasks if task.runs_code and task.started_at and task.ended_at]
    for task in sorted(working, key=lambda task: (task.started_at, task.task_id)):
        assert task.started_at
        assert task.ended_at
        if task.started_at > free_since:
            stage = stage_of(task)
            waits[stage] = waits.get(stage, 0.0) + (task.started_at - free_since).total_seconds()
        free_since = max(free_since, task.ended_at)
    waits[END] = (run.ended_at - free_since).total_seconds()
    seconds = (run.ended_at - run.queued_at).total_seconds()
    return Timing(seconds=seconds, work_seconds=seconds - sum(waits.values()), waits=waits)


def stage_of(task: TaskRun) -> str:
    """The group of a task; the task itself where it has none."""
    return task.task_id.split(".")[0]
