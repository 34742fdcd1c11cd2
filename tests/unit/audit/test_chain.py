"""What joins the answers of a snapshot does not depend on the order in which they are compared."""

import random
from pathlib import Path
from typing import Any

import pytest

from directory_sync.api.page import Page
from directory_sync.audit.chain import Chain
from tests.simulation import MovingList, Weather, entry, page, read_shards, snapshot_of

WEATHERS = [
    Weather(entries=100, churn=1.0, caps=(20,), burst=30, total="right"),
    Weather(entries=100, churn=2.0, caps=(20, 9)),
]


def answers(weather: Weather, seed: int) -> list[Page]:
    moving = MovingList(weather, seed=seed, shards=4)
    pages = read_shards(moving, shards=4, seed=seed)
    return [one for of_shard in pages.values() for one in of_shard]


def relabelled(pages: list[Page], draw: random.Random) -> tuple[list[Page], dict[Any, Any]]:
    """The same answers about entries of other ids: shared entries are found in another order."""
    ids = sorted({one.id for page in pages for one in page.entries})
    other = dict(zip(ids, draw.sample(ids, len(ids)), strict=True))
    renamed = [page._replace(entries=[entry(other[one.id]) for one in page.entries]) for page in pages]
    return renamed, {new: old for old, new in other.items()}


def with_an_id_at_two_places(pages: list[Page], draw: random.Random) -> list[Page]:
    """One entry stands in a further answer, far from where it is."""
    one, other = draw.sample([page for page in pages if page.entries], 2)
    stray = one.entries[draw.randrange(len(one.entries))]
    at = draw.randrange(len(other.entries))
    entries = [*other.entries[:at], stray, *other.entries[at + 1 :]]
    return [page._replace(entries=entries) if page is other else page for page in pages]


def outcome(chain: Chain, names: dict[Any, Any]) -> dict[str, Any]:
    furthest = chain.furthest()
    return {
        "joints": chain.joints,
        "rejected": chain.rejected,
        "displaced": chain.displaced,
        "contradictions": chain.contradictions,
        "moves": dict(chain.moves),
        "doubled": {names.get(one, one) for one in chain.doubled},
        "furthest": furthest and furthest.number,
    }


@pytest.mark.parametrize("step", [1, -1])
def test_a_drift_that_one_joint_shows_holds_for_all_whichever_is_found_first(
    step: int, tmp_path: Path
) -> None:
    # Entries stand one place further right in the second answer, two places in the third.
    ids = [100 + step * n for n in range(54)]
    chain = Chain(snapshot_of(tmp_path, page(0, ids[:20]), page(18, ids[17:37]), page(37, ids[34:])))
    assert (chain.joints, chain.rejected, dict(chain.moves)) == (2, 0, {1: 1, 2: 1})


@pytest.mark.parametrize("is_doubled", [False, True])
@pytest.mark.parametrize("seed", range(2))
def test_the_order_in_which_shared_entries_are_found_changes_nothing(
    seed: int, is_doubled: bool, tmp_path: Path
) -> None:
    draw = random.Random(seed)
    for number, weather in enumerate(WEATHERS):
        pages = answers(weather, seed)
        if is_doubled:
            pages = with_an_id_at_two_places(pages, draw)
        outcomes = []
        for shuffle in range(3):
            names: dict[Any, Any] = {}
            shuffled = pages
            if shuffle:
                shuffled, names = relabelled(pages, draw)
            folder = tmp_path / f"{number}-{shuffle}"
            folder.mkdir()
            outcomes.append(outcome(Chain(snapshot_of(folder, *shuffled)), names))
        assert outcomes[1:] == outcomes[:1] * 2
