"""Which code runs: its version, where it lies, and how it came there.

It imports only the standard library: Airflow's plugin and provider read it in every process.
"""

import sys
from functools import cache
from importlib.metadata import PathDistribution, distributions
from pathlib import Path
from typing import Literal

DISTRIBUTION = "directory-sync"
"""The name under which pip knows the package."""

RELEASE = "0.1.0"
"""The release that this code is, or leads to. A folder knows no other version; a wheel has git's tag."""

LOCATION = Path(__file__).resolve().parent
"""The folder of the package that runs."""


@cache
def _wheel_version() -> str | None:
    """Returns the version that pip wrote beside the package; None where pip did not put it there."""
    found = next(LOCATION.parent.glob("directory_sync-*.dist-info"), None)
    return PathDistribution(found).version if found else None


def origin() -> Literal["wheel", "folder"]:
    """Tells whether pip installed the package, or it lies in a folder such as Airflow's `plugins`."""
    return "wheel" if _wheel_version() else "folder"


VERSION = _wheel_version() or f"{RELEASE}+folder"
"""The version. `+folder`: the code may have been edited since."""


def has_entry_points() -> bool:
    """Tells whether pip has installed the package, so that Airflow finds the plugin without a file for it."""
    installed = distributions(name=DISTRIBUTION)
    return any(point.group == "airflow.plugins" for one in installed for point in one.entry_points)


def not_run() -> tuple[Path, ...]:
    """Returns the other copies of the package on Python's path, which this one goes before.

    Airflow puts its plugins folder last: a wheel goes before a copy there, without a word.
    """
    others = (Path(entry).resolve() / LOCATION.name for entry in sys.path)
    return tuple(dict.fromkeys(one for one in others if one != LOCATION and (one / "about.py").is_file()))


def running() -> str:
    """Returns what logs and the page say of the code: its version, origin and place, and copies beside it."""
    said = f"{DISTRIBUTION} {VERSION} runs from the {origin()} in {LOCATION}."
    unused = ", ".join(map(str, not_run()))
    return f"{said} Python does not read the other copy in {unused}: remove one of them." if unused else said
