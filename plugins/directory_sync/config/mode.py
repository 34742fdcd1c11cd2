"""What a run does: the modes, and all that follows from a mode."""

from enum import StrEnum


class Mode(StrEnum):
    """The mode of a run, a parameter of the Dag. A decision's removal is published with mode `decide`."""

    SYNC = "sync"
    INTERVAL = "interval"
    DRY_RUN = "dry_run"
    DECIDE = "decide"
    REPLAY = "replay"
    REWRITE = "rewrite"

    @property
    def reads_api(self) -> bool:
        """The run reads the directory and audits what it read."""
        return self not in (Mode.DECIDE, Mode.REPLAY)

    @property
    def is_partial(self) -> bool:
        """The run reads what changed within an interval. An entry that it lacks is not absent."""
        return self is Mode.INTERVAL

    @property
    def is_full(self) -> bool:
        """The run reads the whole directory."""
        return self.reads_api and not self.is_partial

    @property
    def writes(self) -> bool:
        """The run may change the warehouse: it finishes interrupted publications, too."""
        return self is not Mode.DRY_RUN

    @property
    def publishes(self) -> bool:
        """The task `publish` writes the warehouse."""
        return self.writes and self is not Mode.DECIDE

    @property
    def rewrites(self) -> bool:
        """The run writes unchanged entries to the table again."""
        return self is Mode.REWRITE
