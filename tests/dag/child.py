"""What a parse does is seen in a process of its own."""

import subprocess
import sys
from collections.abc import Mapping


def output_of(*arguments: str, environment: Mapping[str, str], seconds: float = 120) -> str:
    """Runs Python, which must succeed; what it printed."""
    done = subprocess.run(
        [sys.executable, *arguments],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout
