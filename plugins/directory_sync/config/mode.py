"""The modes of a run, and what follows from each of them."""

from directory_sync.config.older_python import StrEnum


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
        """The run reads the API and audits the snapshot."""
        return self not in (Mode.DECIDE, Mode.REPLAY)

    @property
    def is_partial(self) -> bool:
        """The run reads only the entries that changed within an interval, so it cannot show an absence."""
        return self is Mode.INTERVAL

    @property
    def is_full(self) -> bool:
        """The run reads the whole directory."""
        return self.reads_api and not self.is_partial

    @property
    def writes(self) -> bool:
        """The run may change the warehouse. It also finishes interrupted publications."""
        return self is not Mode.DRY_RUN

    @property
    def publishes(self) -> bool:
        """The task `publish` writes to the warehouse."""
        return self.writes and self is not Mode.DECIDE

    @property
    def rewrites(self) -> bool:
        """The run writes unchanged entries to the table again."""
        return self is Mode.REWRITE
