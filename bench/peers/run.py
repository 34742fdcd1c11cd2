"""Runs a reader and a loader with a pipe between them, in the environment of a peer.

`python run.py PEER ARGUMENTS`; the last line of its output says what they took. It needs the standard library
alone.
"""

import json
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
PROGRAMS = Path(sys.executable).parent


def commands(peer: str, home: Path, config: dict[str, str]) -> tuple[list[str], list[str]]:
    """The reader and the loader of a peer; their settings are written into `home`."""
    table = home / "warehouse.duckdb"
    source = home / "source.json"
    source.write_text(json.dumps(config))
    if peer == "airbyte":
        catalog = home / "catalog.json"
        catalog.write_text(json.dumps({"streams": [_CONFIGURED]}))
        reads = [str(PROGRAMS / "source-declarative-manifest"), "read", "--config", str(source)]
        reads += ["--catalog", str(catalog), "--manifest-path", str(HERE / "airbyte.yaml")]
        return reads, [sys.executable, str(HERE / "load_airbyte.py"), str(table)]
    target = home / "target.json"
    target.write_text(json.dumps({"path": str(table), "default_target_schema": "directory"}))
    return (
        [sys.executable, str(HERE / "tap_directory.py"), "--config", str(source)],
        [str(PROGRAMS / "target-duckdb"), "--config", str(target)],
    )


_CONFIGURED = {
    "stream": {
        "name": "directory_resource",
        "json_schema": {"type": "object"},
        "supported_sync_modes": ["full_refresh"],
    },
    "sync_mode": "full_refresh",
    "destination_sync_mode": "overwrite",
}


def main(peer: str, arguments: dict[str, Any]) -> int:
    """Returns 1 where one of the two fails; what they said is on the standard error."""
    home = Path(arguments["home"])
    reads, loads = commands(peer, home, arguments["config"])
    started = time.monotonic()
    with subprocess.Popen(reads, stdout=subprocess.PIPE, cwd=home) as reader:
        assert reader.stdout
        loader = subprocess.run(loads, stdin=reader.stdout, stdout=subprocess.DEVNULL, check=False, cwd=home)
        reader.stdout.close()
    if reader.returncode or loader.returncode:
        print(
            f"The reader ended with {reader.returncode}, the loader with {loader.returncode}.",
            file=sys.stderr,
        )
        return 1
    peak_mb = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print("\n" + json.dumps({"work_seconds": time.monotonic() - started, "peak_mb": peak_mb}))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], json.loads(sys.argv[2])))
