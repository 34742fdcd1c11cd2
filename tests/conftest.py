"""What holds for all tests: an Airflow home of their own, a quiet dlt, generated examples that repeat."""

import atexit
import importlib.util
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow.lib
import pytest
from filelock import FileLock
from hypothesis import settings

from directory_sync.config.connections import ConnectionFields
from tests.buckets import Bucket, running_bucket
from tests.postgres import PostgresServer, running_server

pytest_plugins = ["tests.integration.listing"]

CHECKOUT = Path(__file__).resolve().parent.parent

# Before airflow or dlt is imported anywhere: both read the environment once.
_HOME = tempfile.mkdtemp(prefix="airflow_of_tests_")
atexit.register(shutil.rmtree, _HOME, ignore_errors=True)
for _name in [name for name in os.environ if name.startswith(("AIRFLOW_", "DLT_", "DIRECTORY_SYNC_"))]:
    del os.environ[_name]
os.environ |= {
    "AIRFLOW_HOME": _HOME,
    "AIRFLOW__CORE__DAGS_FOLDER": str(CHECKOUT / "dags"),
    "AIRFLOW__CORE__PLUGINS_FOLDER": str(CHECKOUT / "plugins"),
    "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    "AIRFLOW__CORE__UNIT_TEST_MODE": "False",
    # For what tests do with dlt themselves; our pipelines need no such switch.
    "RUNTIME__DLTHUB_TELEMETRY": "false",
    "NO_PROXY": "127.0.0.1,localhost",
    "no_proxy": "127.0.0.1,localhost",
}

# DuckDB looks for pandas with every value that it binds: in vain, and half of the time that an audit takes.
if importlib.util.find_spec("pandas") is None:
    # pyarrow looks once, and cannot read this sign of absence.
    assert not pyarrow.lib._pandas_api.have_pandas
    sys.modules["pandas"] = None

settings.register_profile("default", derandomize=True, deadline=None)
settings.register_profile("thorough", settings.get_profile("default"), max_examples=2_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--warehouse",
        choices=("duckdb", "postgres"),
        default="duckdb",
        help="where the integration tests publish; tests marked `duckdb` are about files",
    )
    parser.addoption(
        "--landing",
        choices=("folder", "bucket"),
        default="folder",
        help="where the integration tests land what they read; tests marked `folder` are about files",
    )
    parser.addoption(
        "--airflow-python",
        type=Path,
        help="the Python of another environment, whose Airflow the tests of the interface open",
    )


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leaves out what is about files where the warehouses, or the landing zones, are elsewhere.

    Tests that share something costly run in one worker, those of a file too; what waits most begins first.
    """
    about = {"--warehouse": "duckdb", "--landing": "folder"}
    marks = [mark for option, mark in about.items() if config.getoption(option) != mark]
    left_out = [item for item in items if any(item.get_closest_marker(mark) for mark in marks)]
    config.hook.pytest_deselected(items=left_out)
    kept = [item for item in items if item not in left_out]
    for item in kept:
        item.add_marker(pytest.mark.xdist_group(_group(item)))
    items[:] = sorted(kept, key=lambda item: _rank(_group(item)))


COSTLY = ("oldest_airflow", "stack", "airflow", "session_deployment", "postgres_server")
"""Fixtures of which there is one in all workers together; the slowest first."""


def _group(item: pytest.Item) -> str:
    if item.get_closest_marker("serial"):
        return "serial"
    costly = [name for name in COSTLY if name in getattr(item, "fixturenames", ())]
    return costly[0] if costly else item.nodeid.partition("::")[0]


def _rank(group: str) -> int:
    return COSTLY.index(group) if group in COSTLY else len(COSTLY)


@pytest.fixture(scope="session")
def airflow_python(pytestconfig: pytest.Config) -> Path | None:
    """The Python of the Airflow that is opened; None: this one."""
    return pytestconfig.getoption("--airflow-python")


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory, airflow_python: Path | None) -> Path:
    """The home of an Airflow whose database is migrated: made once, by whichever worker is first."""
    from demo.local_airflow import LocalAirflow

    own = tmp_path_factory.getbasetemp()
    shared = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own
    home = shared / "migrated_airflow"
    with FileLock(shared / "migrated_airflow.lock"):
        if not (home / "is_complete").exists():
            home.mkdir(exist_ok=True)
            LocalAirflow(home, python=airflow_python).migrate()
            (home / "is_complete").touch()
    return home


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A server of the tests' own, for as long as they run."""
    with running_server() as server:
        yield server


@pytest.fixture(scope="session")
def postgres(request: pytest.FixtureRequest) -> PostgresServer | None:
    """The server of the warehouses, None for DuckDB files: as `--warehouse` says."""
    on_postgres = request.config.getoption("--warehouse") == "postgres"
    return request.getfixturevalue("postgres_server") if on_postgres else None


@pytest.fixture(scope="session")
def s3() -> Iterator[Bucket]:
    """A bucket, for as long as the tests run."""
    with running_bucket() as bucket:
        yield bucket


@pytest.fixture(scope="session")
def landing_of(request: pytest.FixtureRequest) -> Callable[[Path], ConnectionFields | None]:
    """The landing connection of a deployment's folder, None for that folder: as `--landing` says."""
    if request.config.getoption("--landing") == "folder":
        return lambda _: None
    bucket: Bucket = request.getfixturevalue("s3")
    return bucket.connection_of
