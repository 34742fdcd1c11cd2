"""What is proven of a snapshot, and by which requests."""

from collections.abc import Callable
from dataclasses import dataclass

from directory_sync.api.page import Page
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
