"""`python -m bench.work WHAT ARGUMENTS`: a contender's process; its last line says what it took."""

import json
import resource
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


def main(what: str, arguments: dict[str, Any]) -> None:
    """Imports first, then works: the two are told apart."""
    url, home = arguments["url"], Path(arguments["home"])
    if what == "floor":
        from bench import floor

        started = time.monotonic()
        floor.run(url, home)
    elif what in ("defaults", "tuned", "ranges"):
        from bench import seed

        started = time.monotonic()
        seed.run(url, home, how=what, entries=arguments["entries"])
    else:
        from bench.ours import Deployment
        from directory_sync.config.connections import ConnectionFields

        started = time.monotonic()
        allowance = arguments.get("requests_per_second")
        landing = ConnectionFields(**given) if (given := arguments.get("landing")) else None
        deployment = Deployment(
            url, home, arguments["run_id"], requests_per_second=allowance, landing=landing
        )
        stage, _, shard = what.partition("_")
        sync = deployment.sync
        stages: dict[str, Callable[[], object]] = {
            "extract": lambda: sync.extract(int(shard)),
            "audit": sync.audit,
            "publish": sync.publish,
        }
        stages[stage]()
    print("\n" + json.dumps({"work_seconds": time.monotonic() - started, "peak_mb": _peak_mb()}))


def _peak_mb() -> float:
    """Of this process or the largest of its own; not what a fork took over, as rusage has it."""
    status = Path("/proc/self/status")
    own = next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    return max(own, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss) / 1024


if __name__ == "__main__":
    main(sys.argv[1], json.loads(sys.argv[2]))
