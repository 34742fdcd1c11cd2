"""The rows of the matrix: which Airflow, on which Python, with the oldest or newest of what we require."""

from dataclasses import dataclass
from typing import Literal

Ours = Literal["oldest", "newest", "unbounded"]

OLDEST_APPROVAL = (3, 1)
OLDEST_PAGE = (3, 1)


@dataclass(frozen=True, kw_only=True)
class Row:
    """One environment.

    Attributes:
        airflow: the version of Airflow; empty for the newest.
        python: the minor version of Python.
        released: the day whose packages Airflow gets, a few days after its release; empty for today's.
        ours: whether what this package requires is the oldest or the newest that it allows, or the newest
            that there is.
    """

    airflow: str
    python: str
    released: str = ""
    ours: Ours = "newest"

    @property
    def name(self) -> str:
        """What the row is called on the command line."""
        return f"{self.airflow or 'newest'}-py{self.python}-{self.ours}"

    @property
    def minor(self) -> tuple[int, int]:
        """The minor version of Airflow."""
        major, minor, *_ = (self.airflow or "999.0").split(".")
        return int(major), int(minor)

    @property
    def asks(self) -> bool:
        """This Airflow asks a person within a run. Else the decision is a run in mode `decide`."""
        return self.minor >= OLDEST_APPROVAL

    @property
    def has_pages(self) -> bool:
        """A plugin can bring a page into this Airflow's interface."""
        return self.minor >= OLDEST_PAGE


ROWS = (
    Row(airflow="3.0.6", python="3.11", released="2025-09-01"),
    Row(airflow="3.1.0", python="3.11", released="2025-09-28", ours="oldest"),
    Row(airflow="3.1.8", python="3.10", released="2026-03-14"),
    Row(airflow="3.2.0", python="3.11", released="2026-04-10", ours="oldest"),
    Row(airflow="3.2.2", python="3.12", released="2026-06-01"),
    Row(airflow="3.3.0", python="3.11", released="2026-07-09"),
    Row(airflow="3.3.2", python="3.10", released="2026-09-20", ours="oldest"),
    Row(airflow="3.3.2", python="3.13"),
)
"""The oldest and the newest of each minor version that is supported; each Python, each end of our ranges."""

NEWEST = Row(airflow="", python="3.13", ours="unbounded")
"""What a night finds: the newest of everything, above our bounds too."""
