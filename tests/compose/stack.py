"""A copy of the checkout, and the stack that `make up` starts from it, apart from any other here."""

import json
import os
import re
import shutil
import subprocess
import threading
from pathlib import Path

from compose.environment import SECRETS, read
from demo.airflow_api import AirflowApi
from demo.local_airflow import CHECKOUT, USERNAME, free_port

PROJECT = "directory-sync-test"
# What a shell may hold that would reach the stack instead of what `.env` says.
_NOT_INHERITED = ("MAKE", "AIRFLOW", "COMPOSE_", "DIRECTORY_SYNC_", "WORKERS", *SECRETS)
_LABEL = f"label=com.docker.compose.project={PROJECT}"
_UNITS = {"B": 1 / 2**20, "KiB": 1 / 2**10, "MiB": 1.0, "GiB": 2.0**10}

READ_SANDBOX = """
import json, os, requests
url = "http://localhost:8099"
grant = {"grant_type": "client_credentials", "client_id": "sandbox-client",
         "client_secret": os.environ["SANDBOX_CLIENT_SECRET"]}
token = requests.post(url + "/oauth/token", data=grant, timeout=30).json()["access_token"]
entries = {}
while True:
    page = requests.get(url + "/v1/directory", params={"limit": 1000, "offset": len(entries)}, timeout=30,
                        headers={"Authorization": "Bearer " + token}).json()["data"]
    if not page:
        break
    entries |= {entry["id"]: entry["updated_at"] for entry in page}
print(json.dumps(entries))
"""
READ_WAREHOUSE = """
SELECT json_object_agg(id, to_char(updated_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'))
FROM directory.directory_resource WHERE _removed_at IS NULL
"""


class Stack:
    """What `make up` starts from a copy of the checkout.

    Args:
        folder: an empty folder, for the copy.
    """

    def __init__(self, folder: Path) -> None:
        """Copies the files that git knows or would add; starts nothing."""
        self.folder = folder
        for name in _files():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(CHECKOUT / name, folder / name)
        self.url = f"http://127.0.0.1:{free_port()}"
        self._environment = {
            **{name: text for name, text in os.environ.items() if not name.startswith(_NOT_INHERITED)},
            "COMPOSE_PROJECT_NAME": PROJECT,
            "AIRFLOW_PORT": self.url.rpartition(":")[2],
        }

    @property
    def env_file(self) -> Path:
        """The copy's `.env`."""
        return self.folder / ".env"

    def settings(self) -> dict[str, str]:
        """What `.env` says."""
        return read(self.env_file.read_text())

    def api(self) -> AirflowApi:
        """Its REST interface, logged in as the settings say."""
        return AirflowApi(self.url, username=USERNAME, password=self.settings()["ADMIN_PASSWORD"])

    def make(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Runs make in the copy."""
        return self._run("make", *words)

    def why_refused(self) -> str:
        """What Compose says of the file where it takes it for wrong; nothing where it does not."""
        done = self._run("docker", "compose", "--profile", "*", "config", "--quiet")
        return done.stderr if done.returncode else ""

    def compose(self, *words: str, given: str | None = None) -> str:
        """Returns what `docker compose` says, all profiles on."""
        done = self._run("docker", "compose", "--profile", "*", *words, given=given)
        if done.returncode:
            raise AssertionError(f"docker compose {words[0]}: {self.without_secrets(done.stderr[-2000:])}")
        return done.stdout

    def containers(self) -> dict[str, dict[str, object]]:
        """Of each running container, by its name, what `docker compose ps` knows."""
        lines = self.compose("ps", "--format", "json").splitlines()
        return {line["Name"]: line for line in map(json.loads, lines)}

    def ports(self) -> set[str]:
        """The addresses the stack listens on, on this machine."""
        return {
            port["URL"]
            for container in self.containers().values()
            for port in container["Publishers"] or ()  # type: ignore[attr-defined]
            if port["PublishedPort"]
        }

    def users(self) -> set[str]:
        """The ids of the users the containers run as."""
        names = list(self.containers())
        return {self._run("docker", "exec", name, "id", "-u").stdout.strip() for name in names}

    def volumes(self) -> set[str]:
        """The names of its volumes."""
        return set(self._run("docker", "volume", "ls", "--quiet", "--filter", _LABEL).stdout.split())

    def left(self) -> list[str]:
        """All its containers, networks and volumes that there still are."""
        lists = (("ps", "--all"), ("network", "ls"), ("volume", "ls"))
        found = [self._run("docker", *words, "--quiet", "--filter", _LABEL).stdout.split() for words in lists]
        return [name for names in found for name in names]

    def sandbox_entries(self) -> dict[str, str]:
        """Of each entry, by its id, when it was updated: read from the API itself."""
        return _object(self.compose("exec", "-T", "sandbox", "python", "-", given=READ_SANDBOX))

    def warehouse_entries(self) -> dict[str, str]:
        """The same, from PostgreSQL."""
        return _object(self.sql(READ_WAREHOUSE))

    def sql(self, query: str) -> str:
        """Returns what a query of the warehouse finds."""
        psql = ("psql", "-U", "postgres", "--no-align", "--tuples-only", "warehouse")
        return self.compose("exec", "-T", "postgres", *psql, given=query).strip()

    def logs(self) -> str:
        """All that the containers and the tasks logged."""
        tasks = ("find", "/opt/airflow/logs", "-type", "f", "-exec", "cat", "{}", "+")
        return self.compose("logs", "--no-color") + self.compose("exec", "-T", "scheduler", *tasks)

    def secrets(self) -> dict[str, str]:
        """The secrets in `.env`, by their names."""
        return {name: text for name, text in self.settings().items() if name in SECRETS}

    def without_secrets(self, text: str) -> str:
        """The text, every secret in it made unreadable."""
        for secret in self.secrets().values() if self.env_file.exists() else ():
            text = text.replace(secret, "***")
        return text

    def state(self) -> str:
        """For a failure: the containers, and the ends of their logs."""
        parts = [self._run("docker", "compose", "--profile", "*", "ps", "--all").stdout]
        parts.append(self._run("docker", "compose", "--profile", "*", "logs", "--tail", "25").stdout)
        return self.without_secrets("\n".join(parts))

    def remove(self) -> None:
        """Ends it, whatever state it is in, and removes its data and images."""
        if self.env_file.exists():
            self.make("down", "VOLUMES=1")
        images = [f"{PROJECT}-{name}:3.3.2" for name in ("airflow", "sandbox")]
        self._run("docker", "image", "rm", "--force", *images)

    def _run(self, *command: str, given: str | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            cwd=self.folder,
            env=self._environment,
            input=given,
            stdin=subprocess.DEVNULL if given is None else None,
            capture_output=True,
            text=True,
            check=False,
        )


class MemoryWatch:
    """The most memory that each service had while a `with` block ran, one container of it, in MiB."""

    def __init__(self) -> None:
        """Watches nothing yet."""
        self.peaks: dict[str, float] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "MemoryWatch":
        """Asks `docker stats` again and again."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Asks no more."""
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        command = ["docker", "stats", "--no-stream", "--format", "{{.Name}} {{.MemUsage}}"]
        while not self._ended.is_set():
            said = subprocess.run(command, capture_output=True, text=True, check=False).stdout
            for service, number, unit in re.findall(
                rf"^{PROJECT}-(\S+)-\d+ ([\d.]+)(\w+)", said, re.MULTILINE
            ):
                self.peaks[service] = max(self.peaks.get(service, 0.0), float(number) * _UNITS[unit])


def _files() -> list[str]:
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=True).stdout
    return [name for name in names.split("\0") if name and (CHECKOUT / name).is_file()]


def _object(text: str) -> dict[str, str]:
    found: dict[str, str] = json.loads(text or "{}") or {}
    return found
