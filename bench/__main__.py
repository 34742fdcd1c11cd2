"""`python -m bench`: see `make bench` in the README."""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from bench import contenders, figures
from bench.contenders import SLOW, Case, Result
from bench.server import Server

PLAYERS = ("defaults", "tuned", "ranges", "ours", "floor")


def main(given: Sequence[str] | None = None) -> int:
    """Prints tables, writes JSON; returns 1 where a contender's table was wrong."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--sizes", type=_numbers, default=[10_000, 100_000])
    parser.add_argument("--latencies", type=_numbers, default=[50], help="of a page, in milliseconds")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--slow-rounds", type=int, help="of what reads page by page; default: all of them")
    parser.add_argument("--only", type=lambda text: text.split(","), default=PLAYERS, help="contenders")
    parser.add_argument("--json", type=Path, help="writes every run to this file")
    arguments = parser.parse_args(given)
    results: list[Result] = []
    with Server.running() as server:
        for entries in arguments.sizes:
            for latency_ms in arguments.latencies:
                case = Case(entries=entries, latency_ms=latency_ms)
                for number in range(arguments.rounds):
                    results += _round(number, case, server, arguments)
    for line in figures.tables(results):
        print(line)
    if arguments.json:
        arguments.json.write_text(json.dumps([asdict(result) for result in results], indent=1))
    return 0 if all(result.is_right for result in results) else 1


def _round(number: int, case: Case, server: Server, arguments: argparse.Namespace) -> list[Result]:
    """All contenders once, each round another one first."""
    slow_rounds = arguments.rounds if arguments.slow_rounds is None else arguments.slow_rounds
    players = [p for p in arguments.only if number < slow_rounds or p not in SLOW]
    turn = number % len(players)
    results = []
    for player in players[turn:] + players[:turn]:
        for result in contenders.run(player, case, server):
            say(f"round {number + 1}, {case.entries:,} x {case.latency_ms:g} ms, {result.contender}: "
                f"{result.seconds:.1f} s")  # fmt: skip
            results.append(result)
    return results


def say(text: str) -> None:
    """Prints progress, apart from the tables."""
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def _numbers(text: str) -> list[int]:
    return [int(part) for part in text.split(",")]


if __name__ == "__main__":
    sys.exit(main())
