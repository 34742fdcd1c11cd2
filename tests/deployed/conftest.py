"""What is deployed for real, as far as one machine can: `make test-deploy`."""

import sys
from pathlib import Path

import pytest

from tests.deployed.install import FOLDER

# The packages that `install.py` brought; the environment's own go first.
sys.path.append(str(FOLDER))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--chart", type=Path, help="the folder of Airflow's official Helm chart")


@pytest.fixture(scope="session")
def chart_folder(request: pytest.FixtureRequest) -> Path:
    """The official chart, as a checkout of Airflow has it in `chart/`."""
    folder: Path | None = request.config.getoption("--chart")
    if folder is None or not (folder / "Chart.yaml").is_file():
        raise pytest.UsageError(f"--chart must name the folder of Airflow's Helm chart; got {folder}.")
    return folder
