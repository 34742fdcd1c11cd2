"""`python -m bench`: what `make bench` runs; see the README."""

import argparse
import json
import signal
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from itertools import product
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from bench import contenders, figures, parse, rates
from bench.contenders import SLOW, Case, Result
from bench.measure import WorkFailedError
from bench.parse import ParseCost
from bench.rates import Use
from bench.server import Server

if TYPE_CHECKING:
    from bench.history import Night

PLAYERS = ("defaults", "tuned", "ranges", "ours", "floor")


@dataclass
class Outcome:
    """What was measured, as far as it came."""

    runs: list[Result] = field(default_factory=list)
    rates: list[Use] = field(default_factory=list)
    parse: list[ParseCost] = field(default_factory=list)
    history: "list[Night]" = field(default_factory=list)


def main(given: Sequence[str] | None = None) -> int:
    """Prints tables, writes JSON; returns 1 where a table was wrong or a contender failed."""
    arguments, outcome = _parser().parse_args(given), Outcome()
    try:
        with Server.running() as server:
            measure = _scale if arguments.scale else _history if arguments.history else _measure
            measure(arguments, server, outcome)
    except WorkFailedError as error:
        say(f"Failed: {error}")
        return 1
    finally:
        if arguments.json:
            arguments.json.write_text(json.dumps(asdict(outcome), indent=1))
    return 0 if all(result.is_right for result in outcome.runs) else 1


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
    parser.add_argument(
        "--history", type=int, help="an unchanged night after so many nights, on both warehouses"
    )
    parser.add_argument(
        "--warehouses",
        type=lambda text: text.split(","),
        default=("DuckDB", "PostgreSQL"),
        help="of --history: DuckDB,PostgreSQL",
    )
    parser.add_argument("--json", type=Path, help="writes every run to this file")
    return parser


def _measure(arguments: argparse.Namespace, server: Server, outcome: Outcome) -> None:
    """The contest, the rates, the parse: as far as asked for."""
    cases = [
        Case(entries=entries, latency_ms=latency_ms)
        for entries, latency_ms in product(arguments.sizes, arguments.latencies)
    ]
    if cases and arguments.rounds:
        turns = _turns(cases, arguments.only, arguments.rounds, arguments.slow_rounds)
        for player, case in turns:
            _note(contenders.run(player, case, server), outcome)
    if cases and arguments.airflow_rounds:
        from bench.airflow_runs import Contest

        say("starting Airflow")
        # The floor has nothing that Airflow could run.
        players = [player for player in arguments.only if player != "floor"]
        with Contest.running(server) as contest:
            for player, case in _turns(cases, players, arguments.airflow_rounds, arguments.slow_rounds):
                _note(contest.run(player, case), outcome)
    _print(figures.tables(outcome.runs))
    for allowed, (is_given, says_when) in product(arguments.rates, rates.CASES):
        say(f"{allowed:g} requests a second allowed, {'given' if is_given else 'not given'}")
        seconds = arguments.rate_seconds
        use = rates.measure(server, allowed, is_given=is_given, says_when=says_when, seconds=seconds)
        outcome.rates.append(use)
    if outcome.rates:
        _print(rates.lines(outcome.rates))
    if arguments.parses:
        outcome.parse.append(parse.measure(arguments.parses))
        _print(parse.lines(outcome.parse[0]))


def _turns(
    cases: Sequence[Case], players: Sequence[str], rounds: int, slow_rounds: int | None
) -> Iterator[tuple[str, Case]]:
    """Every contender once a round, each round another one first."""
    slow_rounds = rounds if slow_rounds is None else slow_rounds
    for case, number in product(cases, range(rounds)):
        turn = number % len(players)
        for player in [*players[turn:], *players[:turn]]:
            if player not in SLOW or number < slow_rounds:
                yield player, case


def _scale(arguments: argparse.Namespace, server: Server, outcome: Outcome) -> None:
    from bench import scale

    for warehouse, result in scale.measure(arguments.scale, server):
        say(f"{result.entries:,} entries into {warehouse}: {result.seconds:.0f} s")
        outcome.runs.append(result)
        _print(scale.lines(warehouse, result))


def _history(arguments: argparse.Namespace, server: Server, outcome: Outcome) -> None:
    from bench import history

    outcome.history += history.measure(arguments.history, server, warehouses=arguments.warehouses)
    _print(history.lines(outcome.history))


def _note(results: Iterable[Result], outcome: Outcome) -> None:
    for result in results:
        what = f"{result.entries:,} entries, {result.latency_ms:g} ms, {result.contender}"
        say(f"{what}{' under Airflow' if result.airflow else ''}: {result.seconds:.1f} s")
        outcome.runs.append(result)


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
    # What was started is ended, also where a shell that started this in the background has it ignore SIGINT.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    sys.exit(main())
