"""One running sandbox: settings, directory, tokens, faults and stats together."""

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from sandbox.churn import Churn
from sandbox.directory import Directory
from sandbox.faults import FaultPlan, TokenBucket
from sandbox.settings import Settings
from sandbox.stats import Stats
from sandbox.tokens import Tokens


class Sandbox:
    """What the endpoints share.

    Attributes:
        settings: The settings now; `configure` changes them.
        directory: The entries.
        stats: What was asked and answered.
    """

    def __init__(self, settings: Settings | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        """Start a sandbox.

        Args:
            settings: How it starts, and what `reset` goes back to.
            clock: Seconds that only grow: the time of tokens, rate limits and stale totals.
        """
        self.clock = clock
        self._lock = threading.RLock()
        self._initial = settings or Settings()
        self.settings = self._initial
        self.directory = Directory(self._initial.entries, clock=clock)
        self.directory.hide(self._initial.hidden_share)
        self.tokens = Tokens(clock)
        self.stats = Stats()
        self._start_draws()

    def configure(self, changes: Mapping[str, Any]) -> Settings:
        """Change some settings and return all.

        Another number of `entries` starts the directory again; `fault_seed` and `churn_seed`
        start their draws again, also if they are what they were.

        Raises:
            pydantic.ValidationError: A setting is unknown or its value not valid; then none
                is changed.
        """
        with self._lock:
            before, self.settings = self.settings, self.settings.changed(changes)
            if before.entries != self.settings.entries:
                self.directory.resize(self.settings.entries)
            self.directory.hide(self.settings.hidden_share)
            if "fault_seed" in changes:
                self.faults = FaultPlan(self.settings.fault_seed)
            if "churn_seed" in changes:
                self.churn = Churn(self.settings.churn_seed)
            return self.settings

    def reset(self) -> None:
        """Go back to the records and the settings of the start; tokens and stats stay."""
        with self._lock:
            self.settings = self._initial
            self.directory.hide(self._initial.hidden_share)
            self.directory.resize(self._initial.entries)
            self._start_draws()

    def next_scripted_status(self) -> int | None:
        """Take the first status out of `fail_next`; None if there is none."""
        with self._lock:
            if not self.settings.fail_next:
                return None
            status, *rest = self.settings.fail_next
            self.settings = self.settings.changed({"fail_next": rest})
            return status

    def _start_draws(self) -> None:
        """Start every seeded draw and the rate limit from the beginning."""
        self.faults = FaultPlan(self.settings.fault_seed)
        self.churn = Churn(self.settings.churn_seed)
        self.bucket = TokenBucket()
