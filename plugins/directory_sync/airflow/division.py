"""Among which of its shards a run divides the list: those that are not skipped.

The states of the tasks alone say it; `idle.py` skips shards. So a retry, and a shard that is cleared later,
find the same answer. Where two shards disagree nothing is lost: a part that is read twice counts once, and
the audit reads again what nobody read.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from directory_sync.config.names import Stage

SKIPPED = "skipped"

# dlt's helper names a task by source, resource and a number of its own: `extract.directory_shard_0-2`.
_SHARD = re.compile(rf"(?P<group>(?:.+\.)?){Stage.EXTRACT}\.[^.]*shard_(?P<number>\d+)(?:-\d+)?")


def shards_in(task_ids: Iterable[str]) -> dict[str, dict[int, str]]:
    """Returns the shard tasks by the prefix of their resource's task ids: by its number, the id of each.

    Args:
        task_ids: the ids of all tasks of a Dag.
    """
    found: dict[str, dict[int, str]] = {}
    for task_id in task_ids:
        if name := _SHARD.fullmatch(task_id):
            found.setdefault(name["group"], {})[int(name["number"])] = task_id
    return found


def skipped_shards(context: Mapping[str, Any], group: str) -> frozenset[int]:
    """Asks Airflow which shards of a resource are skipped in the run of a task; returns their numbers.

    Args:
        context: Airflow's context of the task.
        group: the prefix of the resource's task ids; "" where its tasks are in no group.
    """
    run_id = context["run_id"]
    found = context["ti"].get_task_states(dag_id=context["dag"].dag_id, run_ids=[run_id])
    states: Mapping[str, str | None] = found.get(run_id, {})
    shards = shards_in(states).get(group, {})
    return frozenset(number for number, task_id in shards.items() if states[task_id] == SKIPPED)


def divided(count: int, skipped: frozenset[int]) -> int:
    """Returns into how many parts a list is divided: up to the last shard that is not skipped.

    A number never changes, so a shard that is cleared alone reads the part that it would have read with all.

    Args:
        count: the number of shards.
        skipped: the numbers of those that are skipped.
    """
    return 1 + max((number for number in range(count) if number not in skipped), default=count - 1)
