"""A list that counts from 1 and is asked for by POST, from the first request to the warehouse."""

from pathlib import Path

from tests.integration.cycle import Cycle
from tests.list_server import Answered, Asked, ListServer, rows

ENDPOINT = {
    "method": "POST",
    "json": {"query": "all"},
    "paginator": {
        "type": "offset", "offset": 1, "limit": 20, "offset_body_path": "page.at",
        "limit_body_path": "page.size", "total_header": "X-Total-Count",
    },
}  # fmt: skip


def test_a_list_by_post_from_1_syncs_with_exact_differences(tmp_path: Path) -> None:
    """Its removals are confirmed: they take two snapshots, although the order is observed."""
    ids = list(range(100, 160))

    def serve(asked: Asked) -> Answered:
        at = max(0, asked.body["page"]["at"] - 1)
        found = ids[at : at + asked.body["page"]["size"]]
        return Answered({"data": rows(found)}, headers={"X-Total-Count": str(len(ids))})

    with ListServer(serve) as server:
        cycle = Cycle(
            url=server.url, home=tmp_path, endpoint=ENDPOINT, resource={"removals": "confirmed"}, shards=2
        )
        first = cycle.run("one")
        ids.remove(130)
        ids.append(200)
        second, third = cycle.run("two"), cycle.run("three")
    assert (first.completeness.proof, first.completeness.order, first.entries) == ("chain", "observed", 60)
    assert [(r.changes["added"], r.changes["missing"], r.changes["removed"]) for r in (second, third)] == [
        (1, 1, 0),
        (0, 0, 1),
    ]
    assert cycle.ids() == set(ids)
    assert cycle.ids("_removed_at IS NOT NULL") == {130}
