"""What the clocks of the machines may say: nothing was requested, or published, in the future."""

from datetime import datetime, timedelta

from directory_sync.errors import ConfigError
from directory_sync.warehouse.warehouse import Warehouse

RUNBOOK = "docs/runbook.md#a-clock-was-wrong"


def check_clocks(
    resource: str, run_id: str, *, requested_at: datetime, warehouse: Warehouse, tolerance: timedelta
) -> None:
    """Refuses what is said to have been requested in the future, by this run or by a published one.

    Args:
        resource: whose snapshot.
        run_id: its run.
        requested_at: its last request.
        warehouse: open, and held by this process.
        tolerance: how far two clocks may be apart.

    Raises:
        ConfigError: a clock is wrong, or was.
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
            "now. Beside it each snapshot counts as older. Nothing was published. Correct the clock, or the "
            f"times of that sync; see {RUNBOOK}."
        )


def as_text(moment: datetime) -> str:
    """Returns a moment as messages show it: ISO 8601, to the second."""
    return moment.isoformat(timespec="seconds")
