"""`python3 -m compose up` and `python3 -m compose down`: starts the stack and waits for it, or ends it."""

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

from compose.environment import EnvironmentFileError, complete, read

CHECKOUT = Path(__file__).resolve().parent.parent
ENVIRONMENT_FILE = CHECKOUT / ".env"
_START_SECONDS = "600"
_DENIED = "password authentication failed"
_ALL_PROFILES = ("--profile", "*")


def main() -> int:
    """Does what the command line says; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python3 -m compose", description=__doc__)
    actions = parser.add_subparsers(dest="action", required=True)
    actions.add_parser("up", help="start the stack and wait until it is healthy")
    down = actions.add_parser("down", help="end the stack; its data stays")
    down.add_argument("--volumes", action="store_true", help="remove its data too")
    arguments = parser.parse_args()
    missing = _what_is_missing()
    if missing:
        return _fail(f"{missing} Nothing was done.")
    if arguments.action == "down":
        return _down(with_volumes=arguments.volumes)
    return _up()


def _what_is_missing() -> str:
    if not shutil.which("docker"):
        return "There is no `docker` here: the stack needs Docker with Compose 2.20 or newer."
    if _run("version", quiet=True):
        return "`docker compose` does not work here: the stack needs Docker's plugin Compose 2.20 or newer."
    if subprocess.run(["docker", "info"], capture_output=True, check=False).returncode:
        return "Docker's engine does not answer; is it running, and may you use it? `docker info` says more."
    return ""


def _up() -> int:
    try:
        filled = complete(ENVIRONMENT_FILE, CHECKOUT / ".env.example")
    except EnvironmentFileError as error:
        return _fail(str(error))
    if filled:
        print(f"Filled in, in .env: {', '.join(filled)}", flush=True)
    status = _run("up", "--build", "--detach", "--remove-orphans", "--wait", "--wait-timeout", _START_SECONDS)
    if status:
        return _fail(_why_it_did_not_start())
    settings = {**read(ENVIRONMENT_FILE.read_text()), **os.environ}
    url = f"http://localhost:{settings.get('AIRFLOW_PORT') or 8080}"
    print(
        f"\nAirflow is up on {url}\n"
        "Log in as admin; the password is ADMIN_PASSWORD in .env.\n"
        f"The Dag is paused: open {url}/dags/directory_sync and press Trigger.\n"
        "What it wrote:  docker compose exec postgres psql -U postgres warehouse "
        "-c 'SELECT count(*) FROM directory.directory_resource'\n"
        "`make down` ends it and keeps the data; `make down VOLUMES=1` removes the data too."
    )
    return 0


def _why_it_did_not_start() -> str:
    log = _output("logs", "--no-color", "init")
    if _DENIED in log:
        return (
            "The database refuses the password in .env: its volume was made with another one, or its making "
            "was interrupted. Put the .env back it was made with, or remove the data with "
            "`make down VOLUMES=1` and start again."
        )
    return (
        "The stack did not become healthy.\n" + _output("ps", "--all") + "\n"
        "`docker compose logs SERVICE` says why; `make down` ends what runs."
    )


def _down(*, with_volumes: bool) -> int:
    if not ENVIRONMENT_FILE.exists():
        return _fail("There is no .env here, so no stack was started from here. Nothing was done.")
    return _run(*_ALL_PROFILES, "down", "--remove-orphans", *(["--volumes"] if with_volumes else []))


def _run(*words: str, quiet: bool = False) -> int:
    return subprocess.run(
        ["docker", "compose", *words], cwd=CHECKOUT, capture_output=quiet, check=False
    ).returncode


def _output(*words: str) -> str:
    command = ["docker", "compose", *words]
    return subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False).stdout


def _fail(reason: str) -> int:
    print(reason, file=sys.stderr, flush=True)
    return 1


if __name__ == "__main__":
    sys.exit(main())
