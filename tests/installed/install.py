"""Installs the servers of `tests/installed`: `python -m tests.installed.install`.

Each has a folder of its own in `.foreign`, with exact versions: they are not part of the environment, whose
packages they would move.
"""

import shutil
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / ".foreign"
PYTHON = {
    "pygeoapi": ["pygeoapi==0.21.0"],
    # With SQLAlchemy 2.1, Mailman 3.3.10 answers 500 to each request for lists.
    "mailman": ["mailman==3.3.10", "SQLAlchemy==2.0.58"],
}
NODE = {"json-server": "json-server@0.17.4", "directus": "directus@11.3.5"}


def folder_of(name: str) -> Path:
    """The folder of a server that was installed; fails where it was not."""
    folder = FOLDER / name
    assert (folder / "is_installed").exists(), f"{name} is not installed; run: make test-installed"
    return folder


def install(name: str) -> None:
    """Installs a server, unless these versions are there."""
    wanted = "\n".join(PYTHON.get(name) or [NODE[name]])
    folder = FOLDER / name
    stamp = folder / "is_installed"
    if stamp.exists() and stamp.read_text() == wanted:
        return
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    if name in PYTHON:
        subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
        pip = [folder / "venv/bin/python", "-m", "pip", "install", "-qq", "--disable-pip-version-check"]
        subprocess.run([*pip, *PYTHON[name]], check=True)
    else:
        (folder / "package.json").write_text('{"private": true}')
        npm = ["npm", "install", "--silent", "--no-audit", "--no-fund", NODE[name]]
        subprocess.run(npm, cwd=folder, check=True)
    stamp.write_text(wanted)


if __name__ == "__main__":
    for server in (*PYTHON, *NODE):
        install(server)
