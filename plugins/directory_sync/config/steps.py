"""The `processing_steps` of a form: functions that shape an entry's row, or decide whether there is one.

Steps see an entry after it was read, hashed and landed as the API gave it. So the names in `primary_key`,
`ignored_fields`, `sort_field`, `label_field`, `detail_path` and `cursor_path` are always the API's own.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from directory_sync.config.refusal import refuse, refuse_unknown
from directory_sync.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Step:
    """One function of the form.

    Attributes:
        kind: `map` returns the row; `filter` tells whether the entry belongs to the directory.
        function: the form's function of one record.
        where: its place in the form, for messages.
    """

    kind: Literal["map", "filter"]
    function: Callable[[Any], Any]
    where: str


def parse_steps(steps: Sequence[Mapping[str, Any]], *, where: str) -> tuple[Step, ...]:
    """Parses the steps, in the order in which dlt runs them.

    Args:
        steps: the value of `processing_steps`.
        where: the name of its resource, for messages.

    Raises:
        ConfigError: a step is not supported, or is no function.
    """
    return tuple(_parsed(steps, where=where))


def _parsed(steps: Iterable[Mapping[str, Any]], *, where: str) -> Iterator[Step]:
    for number, step in enumerate(steps, start=1):
        if isinstance(step, Mapping) and step.get("yield_map") is not None:
            refuse(
                f"`yield_map` in `processing_steps` of {where}",
                "`map`: an entry is one row, which is compared and removed as a whole. A list that a `map` "
                "puts into a field becomes a child table",
            )
        refuse_unknown(step, ("filter", "map"), where=f"`processing_steps` of {where}")
        kinds: tuple[Literal["filter", "map"], ...] = ("filter", "map")
        found = [kind for kind in kinds if step.get(kind) is not None]
        if not found or not all(callable(step[kind]) for kind in found):
            raise ConfigError(
                f"Step {number} of `processing_steps` of {where} has no function as its `map` or `filter`. "
                'Write {"map": function} or {"filter": function}.'
            )
        for kind in found:
            name = f"Step {number} of `processing_steps` of {where}"
            yield Step(kind=kind, function=step[kind], where=name)


def run_steps(
    record: dict[str, Any], steps: Iterable[Step], *, form_file: str
) -> tuple[dict[str, Any], bool]:
    """Runs the steps on one record.

    Args:
        record: the entry as the API gave it.
        steps: the steps, in their order.
        form_file: the file of the form, for messages.

    Returns:
        The row, and whether all filters let it through. After one that does not, no further step runs.

    Raises:
        ConfigError: a step fails, or the last one returns no mapping. The message has no value.
    """
    row: Any = record
    is_let_through = True
    for step in steps:
        result = _run(step, row, form_file=form_file)
        if step.kind == "map":
            row = result
        elif not result:
            is_let_through = False
            break
    if not isinstance(row, dict):
        raise ConfigError(
            "A `map` of `processing_steps` returned no mapping. Nothing was published. To leave entries out, "
            f"use a `filter`. Correct {form_file}."
        )
    return row, is_let_through


def lets_through(record: dict[str, Any], steps: Sequence[Step], *, form_file: str) -> bool:
    """Tells whether an entry belongs to the directory: whether all filters let it through.

    Args:
        record: the entry as the API gave it.
        steps: the steps, in their order; those behind the last filter do not run.
        form_file: the file of the form, for messages.

    Raises:
        ConfigError: see `run_steps`.
    """
    filters = [number for number, step in enumerate(steps, start=1) if step.kind == "filter"]
    return not filters or run_steps(record, steps[: filters[-1]], form_file=form_file)[1]


def _run(step: Step, row: Any, *, form_file: str) -> Any:
    failed_with = ""
    try:
        return step.function(row)
    except Exception as e:  # noqa: BLE001  the user's function: its message may quote a record
        failed_with = type(e).__name__
    raise ConfigError(f"{step.where} failed with {failed_with}. Nothing was published. Correct {form_file}.")
