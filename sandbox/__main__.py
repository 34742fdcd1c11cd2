"""`python -m sandbox`: serve the sandbox until it is interrupted."""

import argparse
import logging
import os
import sys

import uvicorn
from pydantic import ValidationError

from sandbox.app import create_app
from sandbox.service import Sandbox
from sandbox.settings import Settings


def main() -> int:
    """Serve, and return the exit status: 2 if a setting in the environment is not valid."""
    parser = argparse.ArgumentParser(
        prog="python -m sandbox",
        description="A directory API to run against: real records, tokens, faults on demand.",
        epilog="Every setting is also a variable SANDBOX_<SETTING>, e.g. SANDBOX_PAGE_CAP=200.",
    )
    parser.add_argument("--host", default=os.environ.get("SANDBOX_HOST") or "127.0.0.1")
    parser.add_argument("--port", type=int, default=os.environ.get("SANDBOX_PORT") or "8099")
    parser.add_argument("--entries", type=int, help="default: one for each airport (28,000)")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(message)s")
    try:
        settings = Settings.from_environment(os.environ)
        if arguments.entries is not None:
            settings = settings.changed({"entries": arguments.entries})
    except ValidationError as error:
        details = (f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        sys.stderr.write("A setting is not valid: " + "; ".join(details) + "\n")
        return 2
    sandbox = Sandbox(settings)
    entries, address = len(sandbox.directory), f"http://{arguments.host}:{arguments.port}"
    print(f"Sandbox directory of {entries:,} entries on {address}", flush=True)
    uvicorn.run(
        create_app(sandbox=sandbox),
        host=arguments.host,
        port=arguments.port,
        log_level="warning",
        access_log=False,
        lifespan="off",
        ws="none",
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
