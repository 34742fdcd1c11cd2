"""A real Redis server for the tests: the machine's own binary, everything in memory."""

import secrets
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from demo.local_airflow import free_port

START_SECONDS = 10.0


@dataclass(frozen=True)
class RedisServer:
    """Where it listens, and its password."""

    port: int
    password: str

    @property
    def url(self) -> str:
        return f"redis://:{self.password}@127.0.0.1:{self.port}/0"


@contextmanager
def running_redis(folder: Path) -> Iterator[RedisServer]:
    """A server of the tests' own; its log is in the folder."""
    binary = shutil.which("redis-server")
    if binary is None:
        raise RuntimeError(
            "redis-server is missing, the broker of Celery. On Debian: apt-get install redis-server"
        )
    server = RedisServer(free_port(), secrets.token_hex(12))
    settings = {"bind": "127.0.0.1", "port": server.port, "requirepass": server.password, "save": '""',
                "dir": folder, "logfile": folder / "redis.log"}  # fmt: skip
    process = subprocess.Popen([binary, "-"], stdin=subprocess.PIPE, text=True)
    try:
        process.stdin.write("".join(f"{name} {value}\n" for name, value in settings.items()))
        process.stdin.close()
        _wait_for(server, process)
        yield server
    finally:
        process.terminate()
        process.wait(10)


def _wait_for(server: RedisServer, process: "subprocess.Popen[str]") -> None:
    import redis

    deadline = time.monotonic() + START_SECONDS
    with redis.Redis(port=server.port, password=server.password) as client:
        while True:
            try:
                client.ping()
                return
            except redis.ConnectionError:
                if process.poll() is not None or time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
