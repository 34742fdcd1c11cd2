"""`python -m bench.children`: loads groups and their members, each stage in processes as in the Dag.

Prints, for each stage, the requests, the seconds and the largest memory of a process. The server is a small
one that answers as fast as it can; `--latency` delays each answer.
"""

import argparse
import asyncio
import json
import multiprocessing
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import duckdb

from bench.ours import Deployment

FORM = {
    "client": {"auth": {"type": "oauth2"}},
    "resource_defaults": {
        "endpoint": {"data_selector": "data", "paginator": {"type": "offset", "limit": 100}},
    },
    "resources": [
        {"name": "groups", "endpoint": {"path": "groups"}},
        {
            "name": "members",
            "include_from_parent": ["name"],
            "endpoint": {"path": "groups/{resources.groups.id}/members"},
        },
    ],
}
SHARDS, SECRET = 4, "bench-secret-not-a-real-one"


def main(given: Sequence[str] | None = None) -> int:
    """Prints the table; returns 1 where the tables do not hold exactly what was served."""
    parser = argparse.ArgumentParser(prog="python -m bench.children", description=__doc__)
    parser.add_argument("--groups", type=int, default=10_000)
    parser.add_argument("--members", type=int, default=20, help="members of each group")
    parser.add_argument("--latency", type=float, default=0.0, help="of an answer, in milliseconds")
    parser.add_argument("--nights", type=int, default=2)
    parser.add_argument("--stage", nargs=4, help=argparse.SUPPRESS)
    arguments = parser.parse_args(given)
    if arguments.stage:
        return _stage(*arguments.stage)
    ports: multiprocessing.Queue[int] = multiprocessing.Queue()
    counted = multiprocessing.Value("q", 0)
    server = multiprocessing.Process(
        target=_serve, args=(arguments.groups, arguments.members, arguments.latency, ports, counted)
    )
    server.start()
    try:
        url = f"http://127.0.0.1:{ports.get()}"
        with tempfile.TemporaryDirectory() as home:
            for night in range(arguments.nights):
                print(f"night {night + 1}: {arguments.groups:,} groups of {arguments.members:,} members")
                _night(url, home, f"night-{night}", counted)
            return _check(Path(home), arguments.groups, arguments.members)
    finally:
        server.terminate()
        server.join()


def _night(
    url: str, home: str, run_id: str, counted: "multiprocessing.sharedctypes.Synchronized[int]"
) -> None:
    stages: list[tuple[str, list[str]]] = [
        ("groups extract", [f"groups:extract:{shard}" for shard in range(SHARDS)]),
        ("groups audit", ["groups:audit:0"]),
        ("members extract", [f"members:extract:{shard}" for shard in range(SHARDS)]),
        ("members audit", ["members:audit:0"]),
        ("publish", ["groups:publish:0"]),
    ]
    for name, works in stages:
        started, before = time.monotonic(), counted.value
        processes = [
            subprocess.Popen(
                [sys.executable, "-m", "bench.children", "--stage", url, home, run_id, work],
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
            for work in works
        ]
        told = [json.loads(process.communicate()[0].splitlines()[-1]) for process in processes]
        print(
            f"  {name:16} {counted.value - before:>8,} requests {time.monotonic() - started:>7.1f} s "
            f"{max(one['peak_mb'] for one in told):>6.0f} MB",
            flush=True,
        )


def _check(home: Path, groups: int, members: int) -> int:
    with duckdb.connect(home / "warehouse.duckdb", read_only=True) as database:
        rows = database.execute(
            "SELECT count(*), count(DISTINCT (_groups_id, id)) FROM directory.members"
        ).fetchone()
        held = database.execute("SELECT count(*) FROM directory.groups").fetchone()
    is_right = (held, rows) == ((groups,), (groups * members, groups * members))
    print("the tables are right" if is_right else f"the tables are WRONG: {held} groups, {rows} members")
    return 0 if is_right else 1


def _stage(url: str, home: str, run_id: str, work: str) -> int:
    name, stage, shard = work.split(":")
    sync = Deployment(url, Path(home), run_id, form=FORM, name=name).sync
    if stage == "extract":
        sync.extract(int(shard))
    else:
        getattr(sync, stage)()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print("\n" + json.dumps({"peak_mb": peak}))
    return 0


def _serve(groups: int, members: int, latency: float, ports: Any, counted: Any) -> None:
    """Serves groups and members over HTTP/1.1."""

    def body(target: str) -> bytes:
        url = urlsplit(target)
        if url.path == "/oauth/token":
            return b'{"access_token": "token-of-the-bench", "expires_in": 3600}'
        query = parse_qs(url.query)
        at, limit = int(query["offset"][0]), int(query["limit"][0])
        if url.path == "/groups":
            rows = [{"id": i, "name": f"Group {i}"} for i in range(at, min(at + limit, groups))]
            return json.dumps({"data": rows, "total": groups}).encode()
        group = int(url.path.split("/")[2])
        rows = [{"id": group + i, "role": "reader"} for i in range(at, min(at + limit, members))]
        return json.dumps({"data": rows}).encode()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                lines = head.decode().split("\r\n")
                length = next(
                    (int(x.split(":")[1]) for x in lines if x.lower().startswith("content-length")), 0
                )
                await reader.readexactly(length)
                if latency:
                    await asyncio.sleep(latency / 1000)
                with counted.get_lock():
                    counted.value += 1
                content = body(lines[0].split(" ")[1])
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(content), content))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async def run() -> None:
        server = await asyncio.start_server(talk, "127.0.0.1", 0)
        ports.put(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(run())


if __name__ == "__main__":
    sys.exit(main())
