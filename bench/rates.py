"""How much of an API's allowance the shards use together, and how many of their requests it refuses.

The API lets R requests a second in, with a burst of one second's worth, and answers 429 above it. The
extract stage runs: four shards, each a process. Once with `requests_per_second` given, once without, once
without and by an API whose 429 holds no `Retry-After`, and once by an API whose answers say what is left.
Where it is not given, an audit follows, and a second night, which begins at what the first has found.
"""

import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from bench.contenders import OURS, QUIET
from bench.figures import table
from bench.measure import CHECKOUT, WorkFailedError, run_together
from bench.server import Server

WARM_UP_SECONDS = 10.0
ENDING_SHARE = 0.9
"""The last requests of shards that end one after the other tell nothing about the pace."""
PAGE_CAP = 20
"""Small pages: the allowance is the limit, not the machine."""
LATENCY_MS = 50.0
CASES = ((True, True, False), (False, True, False), (False, False, False), (False, True, True))
"""Whether the allowance is given, a refusal says when to come back, and an answer says what is left."""


@dataclass(frozen=True, kw_only=True)
class Allowance:
    """What the API allows, and who says so.

    Attributes:
        allowed: requests a second.
        is_given: `requests_per_second` of the connection says so.
        says_when: a 429 holds `Retry-After`.
        says_left: answers say what is left of the allowance.
    """

    allowed: float
    is_given: bool
    says_when: bool
    says_left: bool = False


@dataclass(frozen=True, kw_only=True)
class Use(Allowance):
    """One pull under an allowance.

    Attributes:
        share: of the allowance, after the warm-up and before the last tenth of the pages; None: too short.
        share_of_all: of the allowance over the whole pull, the first burst counted.
        refused_share: of all requests.
        seconds: from the first request to the last.
        failure: what ended a shard, or the audit; empty: all ended well.
        night: 1, or 2 for the pull after the first one's audit.
    """

    share: float | None
    share_of_all: float
    refused_share: float
    seconds: float
    failure: str = ""
    night: int = 1


def measure(server: Server, allowance: Allowance, *, seconds: float) -> Iterator[Use]:
    """Yields one pull of so many entries that it takes about so many seconds, or two nights of it."""
    home = Path(tempfile.mkdtemp(prefix="bench_rates_"))
    _, audit, _ = OURS
    try:
        use = _pull(server, allowance, home, seconds=seconds, night=1)
        if allowance.is_given or use.failure:
            yield use
            return
        try:
            run_together(audit, _arguments(server, allowance, home, night=1), environment=_environment(home))
        except WorkFailedError as error:
            yield replace(use, failure=_last_line(error))
            return
        yield use
        yield _pull(server, allowance, home, seconds=seconds, night=2)
    finally:
        shutil.rmtree(home)


def _pull(server: Server, allowance: Allowance, home: Path, *, seconds: float, night: int) -> Use:
    shards, _, _ = OURS
    server.put(
        entries=int(allowance.allowed * seconds) * (PAGE_CAP - 1),
        latency_ms=LATENCY_MS,
        requests_per_second=allowance.allowed,
        says_when=allowance.says_when,
        says_left=allowance.says_left,
        page_cap=PAGE_CAP,
    )
    failure = ""
    try:
        arguments = _arguments(server, allowance, home, night=night)
        run_together(shards, arguments, environment=_environment(home))
    except WorkFailedError as error:
        failure = _last_line(error)
    told = server.told()
    served, refused = told["served_at"], told["refused"]
    lasted = served[-1] if served else 0.0
    return Use(
        **asdict(allowance),
        night=night,
        share=steady_share(served, allowance.allowed),
        share_of_all=len(served) / allowance.allowed / lasted if lasted else 0.0,
        refused_share=refused / max(refused + len(served), 1),
        seconds=lasted,
        failure=failure,
    )


def _last_line(error: WorkFailedError) -> str:
    return str(error).strip().splitlines()[-1]


def _arguments(server: Server, allowance: Allowance, home: Path, *, night: int) -> dict[str, Any]:
    given = {"requests_per_second": allowance.allowed} if allowance.is_given else {}
    return {"url": server.url, "home": str(home), "run_id": f"manual__{night}", **given}


def _environment(home: Path) -> dict[str, str]:
    return {**QUIET, "DLT_PROJECT_DIR": str(CHECKOUT / "dags"), "TMPDIR": str(home)}


def steady_share(served_at: Sequence[float], allowed: float) -> float | None:
    """The share of an allowance that is used between the warm-up and the last tenth of the requests.

    Args:
        served_at: when each request was let in, in seconds since the first.
        allowed: requests a second.
    """
    steady = [at for at in served_at[: int(len(served_at) * ENDING_SHARE)] if at >= WARM_UP_SECONDS]
    if len(steady) < 2 or steady[-1] == steady[0]:
        return None
    return (len(steady) - 1) / (steady[-1] - steady[0]) / allowed


def lines(uses: Iterable[Use]) -> list[str]:
    """A table of them."""
    return [
        "",
        f"Four shards under an allowance, {PAGE_CAP} entries a page; used after {WARM_UP_SECONDS:g} s",
        "",
        *table(
            [
                "requests/s allowed",
                "given",
                "Retry-After",
                "what is left",
                "night",
                "used",
                "of the whole pull",
                "refused",
                "seconds",
                "",
            ],
            [
                [
                    f"{use.allowed:g}",
                    "yes" if use.is_given else "no",
                    "yes" if use.says_when else "no",
                    "yes" if use.says_left else "no",
                    f"{use.night}",
                    "" if use.share is None else f"{use.share:.1%}",
                    f"{use.share_of_all:.1%}",
                    f"{use.refused_share:.1%}",
                    f"{use.seconds:.0f}",
                    use.failure[:60],
                ]
                for use in uses
            ],
        ),
    ]
