"""What the sandbox was told between the runs, so that the next demo finds the directory as it was left.

The sandbox keeps nothing. Its edits are drawn from seeds, so a counter is all there is to remember: edit
number n is made with seed n.
"""

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from typing_extensions import Self

from sandbox.directory import Directory

CHANGED, REMOVED, ADDED = 41, 3, 12
"""How many entries each edit changes, removes and adds."""


@dataclass(frozen=True, kw_only=True)
class History:
    """How often the directory was edited, and how many of the edits a run has published.

    Attributes:
        edits: made since the first demo.
        published: of these, how many were made before the last run that succeeded.
        runs: how many runs succeeded.
        churned: the last run had edits made while it read, which cannot be made again.
    """

    edits: int = 0
    published: int = 0
    runs: int = 0
    churned: bool = False

    @classmethod
    def read(cls, path: Path) -> Self:
        """Reads the file of an earlier demo; the start where there is none."""
        return cls(**json.loads(path.read_text())) if path.exists() else cls()

    def write(self, path: Path) -> None:
        """Keeps it for the next demo."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(asdict(self)))

    @property
    def is_waiting(self) -> bool:
        """The last edit is not published yet: the run after it failed or was interrupted."""
        return self.edits > self.published

    def edited(self) -> Self:
        """Returns the history with one more edit, once there is something to differ from."""
        if self.runs == 0 or self.is_waiting:
            return self
        return replace(self, edits=self.edits + 1)

    def succeeded(self, *, churned: bool) -> Self:
        """Returns the history after a run that published everything."""
        return replace(self, published=self.edits, runs=self.runs + 1, churned=churned)

    def apply(self, directory: Directory) -> None:
        """Makes all edits again, in their order."""
        for seed in range(1, self.edits + 1):
            directory.edit(ADDED, CHANGED, remove=REMOVED, seed=seed)
