"""Installs what `tests/deployed` needs besides the environment: `python -m tests.deployed.install`.

Into a folder of its own, `.deploy`, with exact versions: Helm as a library, and the provider for git.
"""

import shutil
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / ".deploy"
PACKAGES = (
    # Helm's own Go library: it loads, checks and renders charts without a cluster, a program or a network.
    "helm-python-sdk==0.2.2",
    # What it needs is in the environment: Airflow brings it.
    "apache-airflow-providers-git==1.0.1",
)


def main() -> None:
    """Installs them, unless these versions are there."""
    wanted = "\n".join(PACKAGES)
    stamp = FOLDER / "is_installed"
    if stamp.exists() and stamp.read_text() == wanted:
        return
    shutil.rmtree(FOLDER, ignore_errors=True)
    pip = [sys.executable, "-m", "pip", "install", "-qq", "--disable-pip-version-check", "--no-deps"]
    subprocess.run([*pip, "--target", FOLDER, *PACKAGES], check=True)
    stamp.write_text(wanted)


if __name__ == "__main__":
    main()
