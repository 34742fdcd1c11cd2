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

from directory_sync.audit.bridge import Bridge
from directory_sync.audit.chain import Chain
from directory_sync.audit.proof import ReadPage, Seal
from directory_sync.audit.scratch import Snapshot


def seal_windows(snapshot: Snapshot, read_page: ReadPage) -> Seal:
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
