"""`python -m bench`: what `make bench` runs; see the README."""

import argparse
import json
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from itertools import product
from pathlib import Path
from types import FrameType
from typing import Any

from bench import contenders, figures, parse, rates
from bench.contenders import SLOW, Case, Result
from bench.server import Server

PLAYERS = ("defaults", "tuned", "ranges", "ours", "floor")


def main(given: Sequence[str] | None = None) -> int:
    """Prints tables, writes JSON; returns 1 where a table was wrong."""
    arguments = _parser().parse_args(given)
    # What was started is ended, also where a shell that started this in the background has it ignore SIGINT.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    with Server.running() as server:
        outcome, results = (_scale if arguments.scale else _measure)(arguments, server)
    if arguments.json:
        arguments.json.write_text(json.dumps(outcome, indent=1, default=asdict))
    return 0 if all(result.is_right for result in results) else 1


def _interrupt(number: int, frame: FrameType | None) -> None:  # noqa: ARG001  Python's signature
    raise KeyboardInterrupt


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--sizes", type=_integers, default=[], help="entries: 1000,10000,100000")
    parser.add_argument("--latencies", type=_floats, default=[50.0], help="of a page, in milliseconds")
    parser.add_argument("--rounds", type=int, default=1, help="without Airflow")
    parser.add_argument("--airflow-rounds", type=int, default=0)
    parser.add_argument("--slow-rounds", type=int, help="of what reads page by page; default: all of them")
    parser.add_argument("--only", type=lambda text: text.split(","), default=PLAYERS, help="contenders")
    parser.add_argument("--rates", type=_floats, default=[], help="allowances, in requests a second")
    parser.add_argument("--rate-seconds", type=float, default=30.0, help="about how long each pull takes")
    parser.add_argument("--parses", type=int, default=0, help="processes that parse the Dag file")
    parser.add_argument("--scale", type=int, help="ours alone, so many entries, into both warehouses")
    parser.add_argument("--json", type=Path, help="writes every run to this file")
    return parser


def _measure(arguments: argparse.Namespace, server: Server) -> tuple[dict[str, Any], list[Result]]:
    """The contest, the rates, the parse: as far as asked for."""
    results: list[Result] = []
    cases = [
        Case(entries=entries, latency_ms=latency_ms)
        for entries, latency_ms in product(arguments.sizes, arguments.latencies)
    ]
    if cases and arguments.rounds:
        results += _contest(
            cases,
            arguments.only,
            lambda player, case: contenders.run(player, case, server),
            rounds=arguments.rounds,
            slow_rounds=arguments.slow_rounds,
        )
    if cases and arguments.airflow_rounds:
        from bench.airflow_runs import Contest

        say("starting Airflow")
        with Contest.running(server) as contest:
            results += _contest(
                cases,
                # The floor has nothing that Airflow could run.
                [player for player in arguments.only if player != "floor"],
                contest.run,
                rounds=arguments.airflow_rounds,
                slow_rounds=arguments.slow_rounds,
            )
    _print(figures.tables(results))
    uses = []
    for allowed, is_given in product(arguments.rates, (True, False)):
        say(f"{allowed:g} requests a second allowed, {'given' if is_given else 'not given'}")
        uses.append(rates.measure(server, allowed, is_given=is_given, seconds=arguments.rate_seconds))
    if uses:
        _print(rates.lines(uses))
    cost = parse.measure(arguments.parses) if arguments.parses else None
    if cost:
        _print(parse.lines(cost))
    return {"runs": results, "rates": uses, "parse": cost}, results


def _contest(
    cases: Sequence[Case],
    players: Sequence[str],
    run: Callable[[str, Case], Iterator[Result]],
    *,
    rounds: int,
    slow_rounds: int | None,
) -> list[Result]:
    """All contenders in turn, each round another one first."""
    slow_rounds = rounds if slow_rounds is None else slow_rounds
    results = []
    for case, number in product(cases, range(rounds)):
        turn = number % len(players)
        for player in [*players[turn:], *players[:turn]]:
            if player in SLOW and number >= slow_rounds:
                continue
            for result in run(player, case):
                what = f"{case.entries:,} entries, {case.latency_ms:g} ms, {result.contender}"
                say(f"round {number + 1}: {what}: {result.seconds:.1f} s")
                results.append(result)
    return results


def _scale(arguments: argparse.Namespace, server: Server) -> tuple[dict[str, Any], list[Result]]:
    from bench import scale

    scaled = scale.measure(arguments.scale, server, say)
    _print(scale.lines(scaled))
    return {"scale": scaled}, [one.result for one in scaled]


def say(text: str) -> None:
    """Prints progress, apart from the tables."""
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def _print(lines: Sequence[str]) -> None:
    print("\n".join(lines), flush=True)


def _integers(text: str) -> list[int]:
    return [int(part) for part in text.split(",")]


def _floats(text: str) -> list[float]:
    return [float(part) for part in text.split(",")]


if __name__ == "__main__":
    sys.exit(main())
