"""`python -m tests.matrix`: installs this package into each Airflow of the matrix, and uses it there.

Without a word it runs all rows; the names of rows choose. What was seen is printed and, with `--write`, put
into docs/compatibility.md. `--newest` takes the newest of everything that PyPI has today, above our bounds
too: it says what broke.
"""

import argparse
import shutil
import sys
import tempfile
import time
from datetime import datetime, timezone
from pathlib import Path

from demo.local_airflow import CHECKOUT
from demo.processes import CommandFailedError
from tests.matrix.environment import NoEnvironmentError, built_wheel, environment_of
from tests.matrix.rows import NEWEST, ROWS, Row
from tests.matrix.trial import CLAIMS, Trial

PAGE = CHECKOUT / "docs" / "compatibility.md"
BEGIN, END = "<!-- matrix: written by `make test-matrix` -->\n", "<!-- end of matrix -->\n"
_PACKAGES = ("dlt", "duckdb", "sqlglot", "pyarrow")


def main() -> int:
    """Returns the exit status: 0 if every claim held in every row."""
    parser = argparse.ArgumentParser(prog="python -m tests.matrix", description=__doc__)
    parser.add_argument("rows", nargs="*", metavar="ROW", help=", ".join(row.name for row in ROWS))
    parser.add_argument("--newest", action="store_true", help="the newest of everything, alone")
    parser.add_argument("--write", action="store_true", help="put the table into docs/compatibility.md")
    arguments = parser.parse_args()
    rows = (NEWEST,) if arguments.newest else ROWS
    unknown = set(arguments.rows) - {row.name for row in rows}
    if unknown:
        parser.error(f"no such row: {', '.join(sorted(unknown))}")
    chosen = [row for row in rows if not arguments.rows or row.name in arguments.rows]
    with built_wheel() as wheel:
        trials = [_tried(row, wheel) for row in chosen]
    table = _table(trials)
    print(table, end="")
    # An environment that cannot be made here says nothing of this package.
    if arguments.write and all(trial.versions for trial in trials):
        _write(table)
    failed = [f"{trial.row.name}: {claim}: {said}" for trial in trials for claim, said in trial.failures()]
    print("\n".join(failed), file=sys.stderr)
    return 1 if failed else 0


def _tried(row: Row, wheel: Path) -> Trial:
    began = time.monotonic()
    home = Path(tempfile.mkdtemp(prefix=f"matrix_{row.name}_"))
    trial = Trial(row=row, home=home / "airflow")
    print(f"{row.name}: its environment", file=sys.stderr, flush=True)
    try:
        trial.prove(environment_of(row, wheel))
    except NoEnvironmentError as error:
        trial.seen["pip install"] = f"NO: {error}"
    except CommandFailedError as error:
        trial.seen["parse"] = f"NO: {error}"
    said = ", ".join(f"{claim} {trial.seen.get(claim, 'not reached')}" for claim in CLAIMS)
    print(f"{row.name}: {said}; {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    if trial.failures():
        print(f"{row.name}: its logs are in {home}", file=sys.stderr, flush=True)
    else:
        shutil.rmtree(home)
    return trial


def _table(trials: list[Trial]) -> str:
    columns = ("Airflow", "Python", *_PACKAGES, *CLAIMS)
    lines = [f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
    for trial in trials:
        versions = [trial.versions.get(name, "") for name in _PACKAGES]
        outcomes = [trial.seen.get(claim, "not reached").partition(":")[0] for claim in CLAIMS]
        airflow = trial.versions.get("apache-airflow-core", trial.row.airflow)
        lines.append(f"| {' | '.join([airflow, trial.row.python, *versions, *outcomes])} |")
    return "\n".join(lines) + "\n"


def _write(table: str) -> None:
    before, _, rest = PAGE.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    day = datetime.now(tz=timezone.utc).date()
    head = f"Run on {day:%d %B %Y}, a wheel of this tree in each environment:\n\n"
    PAGE.write_text(f"{before}{BEGIN}\n{head}{table}\n{END}{after}")


if __name__ == "__main__":
    sys.exit(main())
