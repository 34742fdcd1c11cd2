"""`python -m bench.report RESULTS.json`: the tables of a bench once more, in Markdown."""

import sys
from pathlib import Path

from bench.outcome import Outcome

if __name__ == "__main__":
    [results] = sys.argv[1:]
    print("\n".join(Outcome.load(Path(results)).lines()))
