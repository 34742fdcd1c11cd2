"""Other tools for the same list: Airbyte's CDK and Singer's SDK, each in an environment of its own.

`airbyte.txt` and `singer.txt` pin all their packages; DuckDB is the version that ours has. What else stands
here runs in these environments.

    run               starts a reader and a loader, with a pipe between them
    airbyte.yaml      the list as a low-code source, run by the CDK's own program
    load_airbyte      a plain insert of its messages
    tap_directory     the list as a tap by the SDK's REST classes; `target-duckdb` loads it
"""

from pathlib import Path

from bench.measure import Used, run_program
from bench.server import CLIENT_ID, CLIENT_SECRET
from tests.matrix.environment import environment_of_pins

FOLDER = Path(__file__).resolve().parent
PEERS = ("airbyte", "singer")


def prepare(peer: str) -> Path:
    """Makes the environment of a peer in `.environments`, or takes the one of before; returns its Python.

    Raises:
        NoEnvironmentError: its packages cannot be installed.
    """
    return environment_of_pins(FOLDER / f"{peer}.txt")


def run(peer: str, url: str, home: Path) -> Used:
    """Reads the list into `home`; the time counts from the start of the processes, imports included.

    Raises:
        WorkFailedError: the reader or the loader failed.
    """
    config = {"base_url": url, "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
    # Their own defaults, and no word to anybody about the run.
    environment = {"TMPDIR": str(home), "HOME": str(home), "DO_NOT_TRACK": "1"}
    arguments = {"home": str(home), "config": config}
    return run_program(peer, [prepare(peer), FOLDER / "run.py", peer], arguments, environment=environment)
