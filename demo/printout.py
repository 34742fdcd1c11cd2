"""The result of a run, as text."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from demo.airflow_api import DagRun, TaskRun
from demo.warehouse import FIRST_ROWS, Outcome

_COUNTS = ("added", "changed", "removed", "returned")
_CELL = 34


def table(rows: Sequence[Sequence[str]], *, right: Sequence[int] = ()) -> list[str]:
    """Returns rows as aligned lines.

    Args:
        rows: of the same length each.
        right: the columns that are aligned to the right.
    """
    widths = [max(len(row[number]) for row in rows) for number in range(len(rows[0]))]
    return [
        "  ".join(
            cell.rjust(width) if number in right else cell.ljust(width)
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def stages(run: DagRun, tasks: Sequence[TaskRun]) -> list[str]:
    """Returns the stages with their states and times: from the first task's begin to the last one's end."""
    groups: dict[str, list[TaskRun]] = {}
    for task in tasks:
        if task.runs_code:
            groups.setdefault(task.task_id.partition(".")[0], []).append(task)
    rows = [_stage(name, members) for name, members in groups.items()]
    if run.started_at and run.ended_at:
        total = (run.ended_at - run.started_at).total_seconds()
        rows.append(("the run", run.state, f"{total:.1f} s"))
    return table(rows, right=(2,))


def _stage(name: str, tasks: Sequence[TaskRun]) -> tuple[str, str, str]:
    began = [task.started_at for task in tasks if task.started_at]
    ended = [task.ended_at for task in tasks if task.ended_at]
    took = f"{(max(ended) - min(began)).total_seconds():.1f} s" if began and ended else ""
    states = ", ".join(sorted({task.state.replace("_", " ") for task in tasks}))
    shards = f" ({len(tasks)} shards)" if len(tasks) > 1 else ""
    return name + shards, states, took


def published(outcome: Outcome) -> list[str]:
    """Returns what the run found, proved and changed."""
    sync = outcome.sync
    if sync is None:
        return ["Nothing was published."]
    rows = [
        ("entries", f"{sync['entries']:,}"),
        *((kind, f"{sync[kind]:,}") for kind in _COUNTS),
        *((kind, f"{sync[kind]:,}") for kind in ("missing", "reshaped") if sync[kind]),
        ("unchanged", f"{sync['unchanged']:,}"),
        ("joints proven", f"{sync['joints']:,}"),
        ("joints bridged", f"{sync['bridged']:,}"),
        ("requests", f"{sync['requests']:,}"),
    ]
    return table(rows, right=(1,))


def tables(outcome: Outcome) -> list[str]:
    """Returns the tables of the warehouse with their rows, and what the change log holds."""
    rows = [(f"directory.{name}", f"{count:,} rows") for name, count in outcome.tables.items()]
    log = ", ".join(_kinds(outcome.changes)) or "nothing"
    whole = ", ".join(_kinds(outcome.logged)) or "nothing"
    return [*table(rows, right=(1,)), "", f"changes of this run:   {log}", f"changes of all runs:   {whole}"]


def _kinds(counts: Mapping[str, int]) -> Iterator[str]:
    return (f"{count:,} {kind}" for kind, count in counts.items())


def first_rows(outcome: Outcome) -> list[str]:
    """Returns the first rows of the table, a few columns."""
    cells = [[_cell(value) for value in row] for row in outcome.first_rows]
    return table([FIRST_ROWS, *cells], right=(0,))


def _cell(value: Any) -> str:
    text = f"{value:%Y-%m-%d %H:%M:%S}" if hasattr(value, "strftime") else str(value)
    return text if len(text) <= _CELL else text[: _CELL - 3] + "..."
