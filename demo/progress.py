"""A line for each change while a run runs."""

import re
import time
from collections.abc import Callable

from demo.airflow_api import AirflowApi, DagRun, TaskRun
from demo.local_airflow import DAG_ID

_SHARD_LINE = re.compile(r"shard \d+ of \d+: .*entries/s")
_TASK_NAME = re.compile(r"_(shard_\d+)")
_LOG_SECONDS = 2.0


def short_name(task_id: str) -> str:
    """Returns the name a person reads: `extract.shard_0` for `extract.directory_shard_0-2`."""
    group, _, name = task_id.rpartition(".")
    shard = _TASK_NAME.search(name)
    return f"{group}.{shard[1]}" if group and shard else task_id


class Progress:
    """Tells what changed since it last looked at a run.

    Args:
        api: of the Airflow that runs it.
        say: takes a line.
    """

    def __init__(self, api: AirflowApi, say: Callable[[str], None]) -> None:
        """Has seen nothing yet."""
        self._api, self._say = api, say
        self._began = self._logs_read_at = time.monotonic()
        self._states: dict[str, tuple[str, int]] = {}
        self._said: dict[str, int] = {}

    def look(self, run: DagRun) -> None:
        """Says what changed."""
        tasks = [task for task in self._api.task_runs(DAG_ID, run.run_id) if task.runs_code]
        is_time = time.monotonic() - self._logs_read_at >= _LOG_SECONDS
        for task in tasks:
            if is_time and task.state == "running":
                self._say_new_lines(run, task)
            now = (task.state, task.try_number)
            if task.state != "waiting" and self._states.get(task.task_id) != now:
                self._states[task.task_id] = now
                self._say_state(run, task)
        if is_time:
            self._logs_read_at = time.monotonic()

    def _say_state(self, run: DagRun, task: TaskRun) -> None:
        if task.state in ("queued", "scheduled"):
            return
        if task.has_ended:
            self._say_new_lines(run, task)
        again = f" (try {task.try_number})" if task.try_number > 1 else ""
        self._line(short_name(task.task_id), task.state.replace("_", " ") + again)

    def _say_new_lines(self, run: DagRun, task: TaskRun) -> None:
        if "shard" not in task.task_id or not task.try_number:
            return
        key = f"{task.task_id} {task.try_number}"
        log = self._api.log(DAG_ID, run.run_id, task.task_id, try_number=task.try_number)
        lines = [found[0] for line in log if (found := _SHARD_LINE.search(line.text))]
        for text in lines[self._said.get(key, 0) :]:
            self._line(short_name(task.task_id), text.partition(": ")[2])
        self._said[key] = len(lines)

    def _line(self, name: str, text: str) -> None:
        self._say(f"  {time.monotonic() - self._began:6.1f} s  {name:<17}  {text}")
