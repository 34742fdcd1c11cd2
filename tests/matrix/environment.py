"""Environments with another Airflow: made by a client of PyPI, kept by a digest of what is in them."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timezone
from email.parser import HeaderParser
from pathlib import Path

from packaging.requirements import Requirement

from demo.local_airflow import CHECKOUT
from tests.matrix.rows import Row

FOLDER = CHECKOUT / ".environments"
EXTRAS = ("postgres",)
"""The extras that an environment gets."""


class NoEnvironmentError(Exception):
    """An environment cannot be made; the message holds what its installer said last."""


def run(command: Sequence[str | Path], *, seconds: float = 1200.0) -> str:
    """Runs a command to its end; returns what it printed.

    Raises:
        NoEnvironmentError: it fails; the message holds the end of its output.
    """
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=seconds, cwd=CHECKOUT)
    if done.returncode:
        words, said = " ".join(str(word) for word in command[:6]), (done.stdout + done.stderr).strip()
        raise NoEnvironmentError(f"`{words} ...` ended with {done.returncode}: {said[-2000:]}")
    return done.stdout


@contextmanager
def built_wheel() -> Iterator[Path]:
    """Builds the wheel of the tree as it lies; it is gone after the `with` block."""
    with tempfile.TemporaryDirectory(prefix="wheel_") as folder:
        run([sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", folder, CHECKOUT])
        [wheel] = Path(folder).glob("*.whl")
        yield wheel


def requirements_of(wheel: Path) -> list[Requirement]:
    """Returns what a wheel requires, with the extras EXTRAS."""
    with zipfile.ZipFile(wheel) as archive:
        [metadata] = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        headers = HeaderParser().parsestr(archive.read(metadata).decode())
    found = [Requirement(text) for text in headers.get_all("Requires-Dist") or ()]
    return [one for one in found if "extra" not in str(one.marker or "") or _is_of_extras(one)]


def _is_of_extras(requirement: Requirement) -> bool:
    assert requirement.marker is not None
    return any(requirement.marker.evaluate({"extra": extra}) for extra in EXTRAS)


def environment_of(row: Row, wheel: Path) -> Path:
    """Makes the environment of a row, or takes the one that was made before; returns its Python.

    Airflow comes first, with the packages of its time; then the wheel, which may move none of them.

    Args:
        row: which.
        wheel: this package; installed anew each time.

    Raises:
        NoEnvironmentError: the wheel cannot be installed into that Airflow, or its Python is missing.
    """
    uv = [sys.executable, "-m", "uv"]
    wanted = sorted(_without_extra(one) for one in requirements_of(wheel))
    if row.ours == "unbounded":
        wanted = sorted({re.split(r"[<>=!~;@ ]", one)[0] for one in wanted})
    folder = _folder(
        row.name, [repr(row), *wanted, "" if row.released else str(datetime.now(tz=timezone.utc).date())]
    )
    python = folder / "bin" / "python"
    if not (folder / "is_complete").exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.parent.mkdir(exist_ok=True)
        run(
            [*uv, "venv", "-q", "--seed", "--no-python-downloads", "--python", program_of(row.python), folder]
        )
        constraints, asked = folder / "constraints.txt", folder / "asked.txt"
        airflow = f"apache-airflow=={row.airflow}" if row.airflow else "apache-airflow"
        day = ["--exclude-newer", row.released] if row.released else []
        asked.write_text(f"{airflow}\n")
        run([*uv, "pip", "compile", "-q", "--python", python, *day, asked, "-o", constraints])
        asked.write_text("\n".join([airflow, *wanted]) + "\n")
        which = "lowest-direct" if row.ours == "oldest" else "highest"
        into = [*uv, "pip", "install", "-q", "--python", python]
        # Airflow's own packages stay as they were at its time, where it is an older one.
        kept = ["-c", constraints] if row.released else []
        run([*into, *kept, "-r", asked, "--resolution", which])
        (folder / "is_complete").touch()
    _install_wheel(python, wheel, checked=row.ours != "unbounded")
    return python


def environment_from(constraints: Path, wheel: Path) -> Path:
    """Makes an environment of exact versions by plain pip, or takes the one of before; returns its Python.

    Args:
        constraints: all packages, each with its version.
        wheel: this package; installed anew each time.

    Raises:
        NoEnvironmentError: pip cannot install them, or they do not fit together.
    """
    python = environment_of_pins(constraints)
    _install_wheel(python, wheel)
    return python


def environment_of_pins(pins: Path, *, name: str = "") -> Path:
    """Makes an environment of exact versions by plain pip, or takes the one of before; returns its Python.

    Args:
        pins: all its packages, each with its version.
        name: what it is for; empty: the name of the file.

    Raises:
        NoEnvironmentError: they cannot be installed.
    """
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    folder = _folder(f"{name or pins.stem}-py{version}", [pins.read_text()])
    python = folder / "bin" / "python"
    if not (folder / "is_complete").exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.parent.mkdir(exist_ok=True)
        run([sys.executable, "-m", "venv", folder])
        # Compiled when they are imported: a third of these packages never is.
        run([*_pip(python), "install", "-q", "--no-compile", "--no-deps", "-r", pins])
        (folder / "is_complete").touch()
    return python


def program_of(python: str) -> Path:
    """Returns the program of a minor version of Python: of the PATH, or of pyenv.

    Raises:
        NoEnvironmentError: there is none on this machine.
    """
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    on_path = shutil.which(f"python{python}")
    found = [*sorted(root.glob(f"versions/{python}.*/bin/python")), *([Path(on_path)] if on_path else [])]
    for program in found:
        # pyenv's own stand-ins start only where that version is chosen.
        if subprocess.run([program, "-c", ""], check=False, capture_output=True).returncode == 0:
            return program
    raise NoEnvironmentError(f"Python {python} is not on this machine: neither on the PATH nor of pyenv.")


def _folder(name: str, parts: Iterable[str]) -> Path:
    digest = hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]
    return FOLDER / f"{name}-{digest}"


def _install_wheel(python: Path, wheel: Path, *, checked: bool = True) -> None:
    run([*_pip(python), "install", "-q", "--no-deps", "--force-reinstall", wheel])
    if checked:
        run([*_pip(python), "check"])


def _pip(python: Path) -> list[str | Path]:
    return [python, "-I", "-m", "pip", "--disable-pip-version-check"]


def _without_extra(requirement: Requirement) -> str:
    """Returns a requirement as text, its marker kept unless it is about an extra."""
    if "extra" in str(requirement.marker or ""):
        requirement.marker = None
    return str(requirement)
