"""`python -m bench`: what `make bench` runs; see docs/performance.md."""

import argparse
import signal
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import product
from pathlib import Path
from types import FrameType

from bench import bucket, contenders, parse, peers, rates
from bench.contenders import PRELOADED, SLOW, WITHOUT_AIRFLOW, Case, Result
from bench.measure import WorkFailedError
from bench.outcome import Outcome
from bench.rates import Allowance
from bench.server import Server
from tests.matrix.environment import NoEnvironmentError

PLAYERS = ("defaults", "tuned", "ranges", *peers.PEERS, "ours", PRELOADED, "floor")


def main(given: Sequence[str] | None = None) -> int:
    """Prints tables, writes JSON; returns 1 where a table was wrong or a contender failed."""
    arguments = _parser().parse_args(given)
    outcome = Outcome(path=arguments.json)
    try:
        with Server.running() as server:
            measure = _scale if arguments.scale else _history if arguments.history else _measure
            measure(arguments, server, outcome)
    except (WorkFailedError, NoEnvironmentError) as error:
        say(f"Failed: {error}")
        return 1
    finally:
        _print(outcome.lines())
    return 0 if outcome.is_right else 1


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
    parser.add_argument(
        "--bucket", action="store_true", help="a night's requests to a bucket, beside a folder"
    )
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
    """The contest, the rates, the parse, the bucket: as far as asked for."""
    _contest(arguments, server, outcome)
    for allowed, (is_given, says_when, says_left) in product(arguments.rates, rates.CASES):
        say(f"{allowed:g} requests a second allowed, {'given' if is_given else 'not given'}")
        allowance = Allowance(allowed=allowed, is_given=is_given, says_when=says_when, says_left=says_left)
        for use in rates.measure(server, allowance, seconds=arguments.rate_seconds):
            outcome.rates.append(use)
            outcome.save()
    if arguments.parses:
        outcome.parse.append(parse.measure(arguments.parses))
        outcome.save()
    if arguments.bucket:
        for night in bucket.measure(_cases(arguments), server):
            say(f"{night.entries:,} entries, landed in a {night.place}: {night.seconds:.1f} s")
            outcome.buckets.append(night)
            outcome.save()


def _contest(arguments: argparse.Namespace, server: Server, outcome: Outcome) -> None:
    cases, only = _cases(arguments), arguments.only
    under_airflow = [player for player in only if player not in WITHOUT_AIRFLOW]
    if cases and arguments.rounds:
        for peer in [player for player in only if player in peers.PEERS]:
            say(f"the environment of {peer}")
            peers.prepare(peer)
        anywhere = [player for player in only if player != PRELOADED]
        for player, case in _turns(cases, anywhere, arguments.rounds, arguments.slow_rounds):
            # What takes minutes does so once: under Airflow, where that comes as well.
            if not (arguments.airflow_rounds and player in under_airflow and case.is_long(player)):
                _note(player, contenders.run(player, case, server), outcome)
    if cases and arguments.airflow_rounds:
        from bench.airflow_runs import Contest

        for is_preloaded in (False, True):
            players = [player for player in under_airflow if (player == PRELOADED) is is_preloaded]
            if not players:
                continue
            say("starting Airflow, with preload" if is_preloaded else "starting Airflow")
            with Contest.running(
                server, environment={"DIRECTORY_SYNC_PRELOAD": str(is_preloaded)}
            ) as contest:
                for player, case in _turns(cases, players, arguments.airflow_rounds, arguments.slow_rounds):
                    _note(player, contest.run(player, case), outcome)


def _cases(arguments: argparse.Namespace) -> list[Case]:
    return [
        Case(entries=entries, latency_ms=latency_ms)
        for entries, latency_ms in product(arguments.sizes, arguments.latencies)
    ]


def _turns(
    cases: Sequence[Case], players: Sequence[str], rounds: int, slow_rounds: int | None
) -> Iterator[tuple[str, Case]]:
    """Every contender once a round, each round another one first; what takes minutes in the first alone."""
    slow_rounds = rounds if slow_rounds is None else slow_rounds
    for case, number in product(cases, range(rounds)):
        turn = number % max(len(players), 1)
        for player in [*players[turn:], *players[:turn]]:
            if number < (1 if case.is_long(player) else slow_rounds if player in SLOW else rounds):
                yield player, case


def _scale(arguments: argparse.Namespace, server: Server, outcome: Outcome) -> None:
    from bench import scale

    for result in scale.measure(arguments.scale, server):
        say(f"{result.entries:,} entries into {result.warehouse}: {result.seconds:.0f} s")
        outcome.scale.append(result)
        outcome.save()


def _history(arguments: argparse.Namespace, server: Server, outcome: Outcome) -> None:
    from bench import history

    for night in history.measure(arguments.history, server, warehouses=arguments.warehouses):
        outcome.history.append(night)
        outcome.save()


def _note(player: str, results: Iterable[Result], outcome: Outcome) -> None:
    """Keeps each result as it comes; a contender that fails ends its own turn, not the bench."""
    try:
        for result in results:
            what = f"{result.entries:,} entries, {result.latency_ms:g} ms, {result.contender}"
            say(f"{what}{' under Airflow' if result.airflow else ''}: {result.seconds:.1f} s")
            outcome.runs.append(result)
            outcome.save()
    except WorkFailedError as error:
        say(f"{player} failed: {error}")
        outcome.failures.append(f"{player}: {str(error).strip().splitlines()[-1]}")
        outcome.save()


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
