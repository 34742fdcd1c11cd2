"""Checks the clocks of the machines: no snapshot may come from the future."""

from datetime import datetime, timedelta

from directory_sync.errors import ConfigError
from directory_sync.warehouse.warehouse import Warehouse

RUNBOOK = "docs/runbook.md#a-clock-was-wrong"


def check_clocks(
    resource: str, run_id: str, *, requested_at: datetime, warehouse: Warehouse, tolerance: timedelta
) -> None:
    """Refuses a snapshot, of this run or a published one, whose requests lie in the future.

    Args:
        resource: the resource of the snapshot.
        run_id: the run of the snapshot.
        requested_at: the time of its last request.
        warehouse: open, and held by this process.
        tolerance: how far two clocks may differ.

    Raises:
        ConfigError: a clock is wrong now, or was wrong at a published sync.
    """
    now = warehouse.now()
    if requested_at > now + tolerance:
        raise ConfigError(
            f"The snapshot of run {run_id} says that it was requested at {as_text(requested_at)}, and it "
            f"is {as_text(now)}: the clock of a machine that reads the directory, of the one that runs this "
            "task or of the warehouse is wrong. Nothing was published. Correct it, then clear the run's "
            f"`extract` tasks; see {RUNBOOK}."
        )
    if ahead := warehouse.ahead_of(resource, now + tolerance):
        raise ConfigError(
            f"The sync {ahead.sync_id} of run {ahead.run_id} is published and says that it was requested at "
            f"{as_text(ahead.last_requested_at)}, and it is {as_text(now)}: a clock was wrong then, or is "
            "now. Every new snapshot would count as older. Nothing was published. Correct the clock, or the "
            f"times of that sync; see {RUNBOOK}."
        )


def as_text(moment: datetime) -> str:
    """Returns a moment as messages show it: ISO 8601, to the second."""
    return moment.isoformat(timespec="seconds")
