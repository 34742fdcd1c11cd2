"""Proves that a snapshot, read in pieces from a moving list, missed no entry.

An answer is a contiguous piece of the list at one moment. Take a list in a strict order by a key that does
not change, and a chain of answers W1..Wn: W1 from offset 0, Wn the end, neighbours sharing entries
x1..x(n-1). Let R be an entry that existed during the whole pull. Take the first i with R before xi: Wi holds
x(i-1) and xi and everything between them, so R is in Wi. If there is none, R follows every xi; at the end's
moment nothing stood behind its last entry, so R is in Wn. Hence every such R was read.

So the snapshot is complete if one connected component of answers, linked by shared entries, holds an answer
to offset 0 and the end. `chain.py` decides what is a link (a joint). `border.py` decides what stands behind
an entry, and so where the end is. `bridge.py` reads again what the shards left unjoined. Totals, short
windows, errors and single answers prove nothing. docs/completeness.md has the whole proof.
"""

from collections.abc import Callable
from dataclasses import dataclass

from directory_sync.api.page import Page
from directory_sync.audit.bridge import Bridge
from directory_sync.audit.chain import Chain
from directory_sync.audit.scratch import Snapshot
from directory_sync.config.kinds import Proof

ReadPage = Callable[[int], Page]
"""Reads the directory at an offset; returns a page of the resource's `limit`."""


@dataclass(frozen=True, kw_only=True)
class Seal:
    """What was proven of a snapshot, with the numbers. The defaults hold for a manifest that lacks a number.

    Attributes:
        windows: answers with entries.
        joints: pairs of answers that are linked.
        bridged: answers of the audit that joined landed windows, without those at the end.
        requests: how many requests the audit sent.
        end: the offset of the last entry when the end was seen; None in an empty directory.
        displaced: joints whose entries had moved between the two answers.
        doubled: ids that stand at several places of the list.
        rejected: pairs of answers that share ids, but are no joint.
        contradictions: answers that a later one contradicts in the order of shared entries.
        crossed: borders that no answer reaches across, and that were crossed by asking on both sides.
        order_is_observed: ids ascend, or descend, over the whole chain.
        proof: `chain`: windows that overlap. `reread`: numbered pages, each the same before and after the
            next page was read. `walk`: no proof, only the API's own links.
    """

    windows: int
    joints: int
    bridged: int
    contradictions: int
    requests: int = 0
    end: int | None = None
    displaced: int = 1
    doubled: int = 0
    rejected: int = 0
    crossed: int = 0
    order_is_observed: bool = False
    proof: Proof = Proof.CHAIN


def seal(snapshot: Snapshot, read_page: ReadPage) -> Seal:
    """Proves that a snapshot is complete; reads the places that do not join from the API again.

    Args:
        snapshot: the landed windows; the answers read here are added to it.
        read_page: reads the directory at an offset.

    Returns:
        What was proven.

    Raises:
        SnapshotError: the chain does not reach the end within the requests allowed.
        ApiError: the API refuses offsets from some place on, and entries may stand behind it.
        ConfigError: pages have one entry, or the offset has no effect.
    """
    chain = Chain(snapshot)
    bridge = Bridge(snapshot, chain, read_page)
    end = bridge.to_the_end()
    bridge.progress.finish()
    return Seal(
        windows=chain.size,
        joints=chain.joints,
        bridged=bridge.bridged,
        requests=bridge.requests,
        end=end,
        displaced=chain.displaced,
        doubled=max(snapshot.doubled_in_a_window(), len(chain.doubled)),
        rejected=chain.rejected,
        contradictions=chain.contradictions,
        crossed=bridge.crossed,
        order_is_observed=not chain.contradictions and not bridge.crossed and snapshot.ids_ascend(),
    )
