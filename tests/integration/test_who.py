"""What `who.json` says of a publication is what the edits of the directory were."""

from sandbox.server import SandboxServer
from tests.integration.cycle import RESOURCE, Cycle


def ids(found: list[dict]) -> list[int]:
    return [int(item["id"]) for item in found]


def test_the_edits_of_a_night_are_named_as_the_change_log_has_them(
    api: SandboxServer, published: Cycle
) -> None:
    labelled = published.with_(resource={"label_field": "name"})
    edits = api.directory.edit(add=3, change=2, remove=1, seed=1)
    report = labelled.run("two")
    who = labelled.landed("two").who(report.sync_id)
    assert who is not None
    assert who["counts"] == {"joined": 3, "left": 1, "changed": 2}
    assert (ids(who["joined"]), ids(who["left"]), ids(who["changed"])) == (
        sorted(edits.added),
        sorted(edits.removed),
        sorted(edits.changed),
    )
    names = dict(labelled.query(f"SELECT id, name FROM {RESOURCE}"))
    for item in who["joined"] + who["left"] + who["changed"]:
        assert item["label"] == names[int(item["id"])]
    for item in who["changed"]:
        logged = dict(
            labelled.query(
                f"SELECT sync_id = ?, record FROM {RESOURCE}_changes WHERE id = ?",
                report.sync_id,
                int(item["id"]),
            )
        )
        assert item["fields"]
        for one in item["fields"]:
            assert one["old"] != one["new"]
            assert one["old"] in logged[False]
            assert one["new"] in logged[True]


def test_an_approved_removal_names_who_left(api: SandboxServer, published: Cycle) -> None:
    labelled = published.with_(resource={"label_field": "name"})
    gone = api.directory.edit(remove=16, seed=1).removed
    assert labelled.run("two").holds.asks
    question = labelled.ask("two")
    assert question is not None
    report = labelled.remove("two", question)
    who = labelled.landed("two").who(report.sync_id)
    assert who is not None
    assert who["counts"] == {"joined": 0, "left": 16, "changed": 0}
    assert ids(who["left"]) == sorted(gone)[:10]
    assert all(item["label"] for item in who["left"])
