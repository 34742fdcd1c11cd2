"""The parameters of a run, as the trigger form shows them."""

from airflow.sdk import Param

from directory_sync.airflow.compat import HAS_APPROVALS
from directory_sync.config.mode import Mode

MODES = {
    Mode.SYNC: "Sync: read the directory, check it, publish the difference",
    Mode.INTERVAL: "Interval: fetch what changed within an interval; removes nothing (a backfill does this)",
    Mode.DRY_RUN: "Dry run: the report of what a sync would change; nothing is published",
    Mode.DECIDE: "Decide: ask again about the removals that wait; the directory is not read",
    Mode.REPLAY: "Replay: rebuild the warehouse from landed snapshots; the directory is not read",
    Mode.REWRITE: "Rewrite: a sync that writes unchanged entries to the table again, not to the change log",
}
"""The modes with their texts, in the order of the trigger form."""

_REMOVALS = "Limits for removals in this run"
_INTERVAL = "Interval"
_WAITING = (
    "If more entries vanished, all removals wait for a decision. Empty: the deployment's limit, which a run "
    "may lower, but not raise."
)

_DECISION = "Decision on held removals"

DECISION_PARAMS = {
    "answer": Param(
        None,
        type=["null", "string"],
        enum=[None, "approve", "reject"],
        title="Answer",
        description="For mode `decide`. `approve` marks these entries as removed. Empty: the run says what "
        "waits.",
        section=_DECISION,
    ),
    "held_digest": Param(
        None,
        type=["null", "string"],
        maxLength=64,
        title="Digest of the held entries",
        description="From the note of the run that says what waits. The answer applies to exactly these.",
        section=_DECISION,
    ),
}
"""The run's parameters for an answer, where Airflow has no approvals."""

PARAMS = {
    "mode": Param(
        Mode.SYNC.value,
        type="string",
        enum=[mode.value for mode in MODES],
        values_display={mode.value: text for mode, text in MODES.items()},
        title="Mode",
        description="What this run does.",
    ),
    "max_removed_share": Param(
        None,
        type=["null", "number"],
        minimum=0,
        # Not `maximum`: Airflow's form would change a 5, meant as 5 %, to 1, which allows every removal.
        exclusiveMaximum=1.000001,
        title="At most this share (0.05 is 5 %)",
        description=_WAITING,
        section=_REMOVALS,
    ),
    "max_removed_count": Param(
        None,
        type=["null", "integer"],
        minimum=0,
        title="At most this many entries",
        description=_WAITING,
        section=_REMOVALS,
    ),
    "interval_start": Param(
        None,
        type=["null", "string"],
        format="date-time",
        title="From",
        description="For mode `interval`. Empty: the start of the run's data interval.",
        section=_INTERVAL,
    ),
    "interval_end": Param(
        None,
        type=["null", "string"],
        format="date-time",
        title="To",
        description="For mode `interval`. Empty: the end of the run's data interval.",
        section=_INTERVAL,
    ),
    "reason": Param(
        None,
        type=["null", "string"],
        maxLength=500,
        title="Reason",
        description="Why this run was started by hand. The run's note shows it.",
    ),
    **({} if HAS_APPROVALS else DECISION_PARAMS),
}
"""The parameters of the Dag. Airflow refuses values of other types or out of range before a task runs."""
