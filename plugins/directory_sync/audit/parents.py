"""The parent of a child resource: what its audit lands for the child, and what becomes of its entries.

An entry of the child that is absent has left its parent's list, or its parent has left. Where the parent is
removed, its entries go along in the same publication. Where the parent is absent but stays in its table,
because its removal waits or is not yet proven, its entries stay as they are.
"""

from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any

from directory_sync.api.answer import EntryId, parse_record
from directory_sync.audit.job import Audit
from directory_sync.audit.lists_seal import gone_parents
from directory_sync.audit.sealed import SealedSnapshot
from directory_sync.config.form import Resource
from directory_sync.config.kinds import Kind
from directory_sync.config.older_python import StrEnum
from directory_sync.config.steps import lets_through
from directory_sync.landing.files import DIFFERENCE, REPORT, LandedFiles
from directory_sync.landing.parents import ListedParent, read_parents, write_parents
from directory_sync.landing.snapshot import LandedSnapshot
from directory_sync.warehouse.warehouse import Warehouse

ROWS = 5_000


class Fate(StrEnum):
    """What becomes of an entry of the parent with this run."""

    PRESENT = "present"
    REMOVED = "removed"
    LEFT = "left"
    """An earlier publication removed it, while the child was not in the form."""
    STAYS = "stays"
    """It is absent from the snapshot, and stays in the table."""


def land_parents(sealed: SealedSnapshot, children: Iterable[Resource]) -> None:
    """Lands the entries of a sealed snapshot for the shards of its children, less those left out by a filter.

    Args:
        sealed: the snapshot of the parent.
        children: its children.

    Raises:
        ConfigError: an entry lacks a field that a child's path or parameter needs.
    """
    listed = list(children)
    if not listed:
        return
    snapshot = sealed.snapshot
    snapshot.create_present()
    snapshot.create_records(sealed.files, ids="present")
    for child in listed:
        write_parents(sealed.job.landed, child.name, _listed(sealed, child))
    snapshot.database.execute("DROP TABLE records")


def _listed(sealed: SealedSnapshot, child: Resource) -> Iterator[ListedParent]:
    assert child.parent is not None
    parent = sealed.job.resource
    cursor = sealed.snapshot.database.execute("SELECT id, record FROM records ORDER BY id")
    number = 0
    for rows in iter(partial(cursor.fetchmany, ROWS), []):
        for entry_id, text in rows:
            record = parse_record(text)
            if not lets_through(record, parent.steps, form_file=parent.form_file):
                # A filter of the form leaves it out of the directory, and its list with it.
                continue
            yield ListedParent(
                number=number,
                sync_id=sealed.manifest.sync_id,
                id=entry_id,
                values=child.parent.values_of(record),
                fields=child.parent.fields_of(record),
            )
            number += 1


def fates(
    job: Audit, files: LandedFiles, absent: Iterable[EntryId], *, warehouse: Warehouse
) -> dict[EntryId, Fate]:
    """Returns what becomes of the parents of absent entries with this run.

    Args:
        job: the run of the child, with the folder of its parent's snapshot.
        files: the landed files of the child.
        absent: the keys of parents.
        warehouse: open, and held by this process.
    """
    assert job.parent is not None
    assert job.parent_landed is not None
    asked = set(absent)
    gone, sync_id = gone_parents(job, files), _sync_of(job.parent_landed)
    found: dict[EntryId, Fate] = {}
    for one in read_parents(job.parent_landed, job.resource.name):
        if one.id in asked:
            # One that was gone when its list was read leaves with the parent's next snapshot.
            found[one.id] = Fate.STAYS if one.number in gone else Fate.PRESENT
    rest = asked - found.keys()
    if not rest:
        return found
    stays = set[Any]()
    for batch in warehouse.states(job.parent):
        ids, removed_at = batch.column("id").to_pylist(), batch.column("removed_at").to_pylist()
        stays.update(one for one, at in zip(ids, removed_at, strict=True) if one in rest and at is None)
    removed = _removed(job.parent_landed, sync_id)
    of_absent = {one: Fate.STAYS if one in stays else Fate.LEFT for one in rest}
    return found | of_absent | dict.fromkeys(rest & removed, Fate.REMOVED)


def _removed(landed: LandedSnapshot, sync_id: str | None) -> set[EntryId]:
    """Returns the entries that a landed difference removes."""
    if sync_id is None:
        return set()
    removed = set[Any]()
    for batch in landed.of_sync(sync_id).read_tables(DIFFERENCE, rows=ROWS, columns=("id", "kind")):
        ids, kinds = batch.column("id").to_pylist(), batch.column("kind").to_pylist()
        removed.update(one for one, kind in zip(ids, kinds, strict=True) if kind == Kind.REMOVED)
    return removed


def _sync_of(landed: LandedSnapshot) -> str | None:
    return (landed.read_json(REPORT) or {}).get("sync_id")


def held_file(child: str) -> str:
    """Returns the name of the mark in a parent's folder that its removals must wait for a person."""
    return f"held_for_{child}.json"


def hold_parents(job: Audit, *, sync_id: str | None, entries: int) -> None:
    """Marks in the parent's folder that its removals must wait, or takes such a mark back.

    Args:
        job: the run of the child, with the folder of its parent's snapshot.
        sync_id: the parent's sync whose removals wait; None: none waits.
        entries: how many entries of the child would go along.
    """
    assert job.parent_landed is not None
    if sync_id is None:
        job.parent_landed.forget(held_file(job.resource.name))
        return
    removed = sorted(_removed(job.parent_landed, sync_id))
    mark = {"sync_id": sync_id, "entries": entries, "parents": removed}
    job.parent_landed.write_json(held_file(job.resource.name), mark)


def held_for(
    landed: LandedSnapshot, children: Iterable[Resource], *, sync_id: str
) -> dict[str, frozenset[EntryId]]:
    """Returns the children for which the removals of a parent's sync must wait, with these removals.

    Args:
        landed: the folder of the parent's snapshot.
        children: its children.
        sync_id: the parent's sync.
    """
    marks = {child.name: landed.read_json(held_file(child.name)) or {} for child in children}
    return {
        name: frozenset(mark["parents"]) for name, mark in marks.items() if mark.get("sync_id") == sync_id
    }
