"""`python -m tests.chaos`: thousands of seeded pulls, and what they came to."""

import argparse
import json
import multiprocessing
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[2] / "plugins")]

from tests.chaos.children import (  # noqa: E402  the path comes first
    children_objections,
    children_of_seed,
    children_table,
)
from tests.chaos.ends import by_server, end_objections, end_table, pull_of_seed  # noqa: E402  the path comes first
from tests.chaos.figures import Compared, by_churn, objections, prepare, quiet, table  # noqa: E402  the path comes first
from tests.chaos.lists import by_style, list_objections, list_of_seed, list_table  # noqa: E402  the path comes first
from tests.chaos.walks import by_kind, walk_objections, walk_of_seed, walk_table  # noqa: E402  the path comes first

SEEDS_AT_ONCE = 10


def main() -> int:
    """Prints the table; returns 1 where an entry is missing or too many pulls failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--pulls", type=int, default=5_000)
    parser.add_argument("--ends", type=int, default=2_000, help="pulls whose pages end where they like")
    parser.add_argument("--lists", type=int, default=800, help="pulls from 1, by POST, with faults")
    parser.add_argument("--walks", type=int, default=24, help="nights of walks along cursors")
    parser.add_argument("--children", type=int, default=200, help="pulls of many lists of a child")
    parser.add_argument("--seed", type=int, default=0, help="the first one")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--json", type=Path, help="writes the figures to this file as well")
    arguments = parser.parse_args()

    def seeds_of(count: int) -> range:
        return range(arguments.seed, arguments.seed + count)

    started, seeds, ends = time.monotonic(), seeds_of(arguments.pulls), seeds_of(arguments.ends)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(arguments.processes, mp_context=context, initializer=prepare) as pool:
        compared = list(pool.map(Compared.of_seed, seeds, chunksize=SEEDS_AT_ONCE))
        servers = by_server(pool.map(pull_of_seed, ends, chunksize=SEEDS_AT_ONCE))
        styles = by_style(pool.map(list_of_seed, seeds_of(arguments.lists), chunksize=SEEDS_AT_ONCE))
        children = list(pool.map(children_of_seed, seeds_of(arguments.children)))
    # A warehouse cannot be loaded where an import of pandas fails.
    with ProcessPoolExecutor(arguments.processes, mp_context=context, initializer=quiet) as pool:
        kinds = by_kind(pool.map(walk_of_seed, seeds_of(arguments.walks)))
    figures = by_churn(compared)
    for line in table(figures):
        print(line)
    lasted = sum(of_churn.lasted for of_churn in figures.values())
    missing = sum(of_churn.missing for of_churn in figures.values())
    plain = sum(of_churn.plain_missing for of_churn in figures.values())
    print(
        f"\n{len(compared):,} pulls, seeds {seeds[0]} to {seeds[-1]}, {time.monotonic() - started:.0f} s: "
        f"{missing:,} of {lasted:,} entries that lasted are missing; dlt's offset paginator misses {plain:,}."
    )
    print(
        f"\n{len(ends):,} pulls from servers whose pages end where they like, seeds from {arguments.seed}:\n"
    )
    for line in end_table(servers):
        print(line)
    print(f"\n{arguments.children:,} pulls of the lists of a child, each list moving by itself:\n")
    for line in children_table(children):
        print(line)
    print(f"\n{arguments.lists:,} pulls over HTTP with faults, of lists from 1 or by POST:\n")
    for line in list_table(styles):
        print(line)
    print(f"\n{arguments.walks:,} walks along cursors, night after night, up to the warehouse:\n")
    for line in walk_table(kinds):
        print(line)
    if arguments.json:
        content = {str(churn): of_churn.as_json() for churn, of_churn in figures.items()}
        arguments.json.write_text(json.dumps(content, indent=1))
    against = [
        *objections(figures),
        *end_objections(servers),
        *list_objections(styles),
        *walk_objections(kinds),
        *children_objections(children),
    ]
    for line in against:
        print(line, file=sys.stderr)
    return 1 if against else 0


if __name__ == "__main__":
    sys.exit(main())
