"""The wheel under the version that the pages write, made as docs/deploy/index.md says."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.conftest import CHECKOUT
from tests.deploy.pages import block

VERSION = "0.2.0"
"""The version that the pages write; a reader puts another one."""

NAME = f"directory_sync-{VERSION}-py3-none-any.whl"


def make_wheel(folder: Path) -> Path:
    """Makes the wheel in `folder/dist` by the command of the page; the build tools are the environment's."""
    source = folder / "checkout"
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(CHECKOUT / name, source)
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(CHECKOUT / "plugins/directory_sync", source / "plugins/directory_sync", ignore=ignored)
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PIP_NO_BUILD_ISOLATION": "0",
        "PIP_NO_INDEX": "1",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        # A copy has no git; the tag says this otherwise.
        "SETUPTOOLS_SCM_PRETEND_VERSION": VERSION,
    }
    command = block("index", "in a checkout").text
    subprocess.run(["sh", "-ec", command], cwd=source, env=environment, check=True, stdout=subprocess.DEVNULL)
    return (source / "dist" / NAME).resolve(strict=True)


def install(wheel: Path, folder: Path) -> Path:
    """Installs the wheel into a folder for Python's path; returns the folder."""
    pip = [sys.executable, "-m", "pip", "install", "-qq", "--disable-pip-version-check", "--no-deps"]
    subprocess.run([*pip, "--no-index", "--target", folder, wheel], check=True)
    return folder
