"""Stage 4: asks a person about held removals, and carries out an approved removal.

The question shows a digest of exactly the held absences, and the answer applies only to these. The removal
is a separate publication that follows the one that asked. If another publication came between, the approval
is stale and is refused.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime

import orjson

from directory_sync.api.answer import EntryId, parse_record
from directory_sync.audit.held import HeldSet
from directory_sync.audit.report import AuditReport, Decided, Fields, Holds
from directory_sync.audit.who import who_left
from directory_sync.config.fields import value_at
from directory_sync.config.form import Resource
from directory_sync.config.kinds import KINDS, Kind
from directory_sync.config.limits import RemovalLimits
from directory_sync.config.mode import Mode
from directory_sync.errors import RemovalsHeld
from directory_sync.landing.files import DIFFERENCE, QUESTION, REPORT, WHO, WITH_PARENTS
from directory_sync.landing.snapshot import LandedSnapshot
from directory_sync.publish.load import Part, load_together
from directory_sync.publish.logged import logged_rows
from directory_sync.publish.pattern import patterns
from directory_sync.publish.publications import mark_published, numbered
from directory_sync.publish.question import Question, landed_decision, landed_question, void_decision
from directory_sync.publish.stage import landed_content, roll_forward
from directory_sync.warehouse.warehouse import Warehouse

SAMPLE_SIZE = 20
SYNCS_SHOWN = 7


def ask(
    resource: Resource,
    landed: LandedSnapshot,
    *,
    warehouse: Warehouse,
    limits: RemovalLimits,
    reasons: Sequence[str] = (),
    dataset: str,
) -> Question | None:
    """Lands the question about the entries that are held now.

    Args:
        resource: the resource of the entries.
        landed: the folder of the run that asks.
        warehouse: open, and held by this process.
        limits: the limits on removals in this run.
        reasons: why entries are held; default: no reasons are shown.
        dataset: the table's schema, for the query in the question.

    Returns:
        The question; None where no entry is held.
    """
    absences, last = list(warehouse.held(resource)), warehouse.last_sync(resource.name)
    held = HeldSet.of(absences)
    if held.digest is None or last is None:
        # The question of an earlier try is no longer open.
        landed.forget(QUESTION)
        return None
    question = Question(
        resource=resource.name,
        sync_id=last.sync_id,
        digest=held.digest,
        held=held.count,
        population=warehouse.present(resource),
        limits=limits,
        sample=tuple(_sample(resource, warehouse, [entry_id for entry_id, _ in absences[:SAMPLE_SIZE]])),
        recent=tuple(_recent(resource, warehouse)),
        reasons=tuple(reasons),
        table=f"{dataset}.{resource.name}",
        patterns=patterns(resource, [entry_id for entry_id, _ in absences], warehouse=warehouse),
        form_file="" if resource.label_field else str(resource.form_file),
    )
    landed.write_json(QUESTION, asdict(question))
    return question


def was_never_asked(resource: Resource, landed: LandedSnapshot, *, warehouse: Warehouse) -> bool:
    """Tells whether the run that was to ask about the held entries ended before it did.

    Args:
        resource: the resource of the entries.
        landed: the folder of any run of the resource.
        warehouse: open, and held by this process.
    """
    last = warehouse.last_asked(resource)
    return last is not None and landed_question(landed.of_run(last.run_id)) is None


def remove(
    resource: Resource,
    landed: LandedSnapshot,
    question: Question,
    *,
    run_id: str,
    warehouse: Warehouse,
    children: Sequence[tuple[Resource, LandedSnapshot]] = (),
) -> AuditReport:
    """Marks the entries of an approved question as removed, and their entries of children. Idempotent.

    Args:
        resource: the resource of the entries.
        landed: the folder of the run that asked.
        question: the approved question.
        run_id: the Dag run that carries out the removal.
        warehouse: open, and held by this process.
        children: the children of the resource, with the folders of their runs.

    Returns:
        The report of the removal.

    Raises:
        RemovalsHeld: the approval is stale: the warehouse is not in the state that the question showed.
        WarehouseError: the load failed; a retry finishes it.
    """
    sync_id = f"{question.sync_id}-removal"
    roll_forward(resource, warehouse=warehouse, landed_of=landed.of_run)
    if published := warehouse.sync(sync_id):
        mark_published(landed, sync_id, warehouse=warehouse)
        return AuditReport.from_json(orjson.loads(published.report))
    absences, last = list(warehouse.held(resource)), warehouse.last_sync(resource.name)
    held = HeldSet.of(absences)
    if last is None or (_asked_for(last.sync_id), held.digest) != (question.sync_id, question.digest):
        void_decision(landed)
        raise RemovalsHeld(
            f"The approval for `{resource.name}` is stale: it was given for {question.held:,} entries on top "
            f"of sync {question.sync_id}; the warehouse is at {last.sync_id if last else 'no sync'} with "
            f"{held.count:,} held. Nothing was removed. Trigger the Dag with mode `decide` to be asked about "
            "the present ones; see docs/runbook.md#removalsheld."
        )
    decision = landed_decision(landed, question)
    task = _Task(run_id=run_id, decided=Decided(**decision.told()) if decision else None)
    removals = [_removal(resource, landed, dict(absences), sync_id=sync_id, task=task, warehouse=warehouse)]
    for child, of_child in children:
        roll_forward(child, warehouse=warehouse, landed_of=of_child.of_run)
        along = _entries_of(child, {entry_id for entry_id, _ in absences}, warehouse=warehouse)
        if along and (of_last := warehouse.last_sync(child.name)):
            name = f"{of_last.sync_id}{WITH_PARENTS}"
            removals.append(
                _removal(
                    child,
                    of_child,
                    along,
                    sync_id=name,
                    task=task,
                    warehouse=warehouse,
                    parent_sync_id=sync_id,
                )
            )
    parts = [Part(resource=one.resource, content=landed_content(one.landed, one.report)) for one in removals]
    loaded = load_together(parts, warehouse=warehouse)
    for one in removals:
        mark_published(one.landed, one.report.sync_id, warehouse=warehouse)
    return AuditReport.from_json(orjson.loads(loaded[0]["report"]))


def _asked_for(sync_id: str) -> str:
    """Returns the sync after which a person was asked: before entries that went with their parents."""
    return sync_id.removesuffix(WITH_PARENTS)


def _entries_of(
    child: Resource, parents: Collection[EntryId], *, warehouse: Warehouse
) -> dict[EntryId, datetime | None]:
    """Returns the entries of a child that belong to these parents and are not removed, with since when."""
    assert child.parent is not None
    names = ("id", "missing_since", "removed_at")
    return {
        entry_id: missing_since
        for batch in warehouse.states(child)
        for entry_id, missing_since, removed_at in zip(
            *(batch.column(name).to_pylist() for name in names), strict=True
        )
        if removed_at is None and child.parent.parent_of(entry_id) in parents
    }


@dataclass(frozen=True, kw_only=True)
class _Task:
    """What removes: the Dag run, and the decision that it carries out; None: it was not landed."""

    run_id: str
    decided: Decided | None


@dataclass(frozen=True, kw_only=True)
class _Removal:
    """A landed removal: a publication of one resource."""

    resource: Resource
    landed: LandedSnapshot
    report: AuditReport


def _removal(
    resource: Resource,
    landed: LandedSnapshot,
    absences: Mapping[EntryId, datetime | None],
    *,
    sync_id: str,
    task: _Task,
    warehouse: Warehouse,
    parent_sync_id: str | None = None,
) -> _Removal:
    """Lands the removal of entries as a publication that follows the last one.

    Args:
        resource: the resource of the entries.
        landed: the folder of its run.
        absences: the entries, with since when they are missing; None: they are present.
        sync_id: the publication.
        task: what removes.
        warehouse: open, and held by this process.
        parent_sync_id: the sync of the parent that it is published with; None: it is of no child.
    """
    last = warehouse.last_sync(resource.name)
    assert last is not None
    rest = HeldSet.of(one for one in warehouse.held(resource) if one[0] not in absences)
    snapshot = warehouse.last_snapshot(resource.name) or last
    report = AuditReport.from_json(orjson.loads(snapshot.report))
    report = replace(
        report,
        origin=replace(
            report.origin,
            sync_id=sync_id,
            base_sync_id=last.sync_id,
            mode=Mode.DECIDE,
            run_id=task.run_id,
            snapshot_at=last.snapshot_at,
            last_requested_at=last.last_requested_at,
            parent_sync_id=parent_sync_id,
        ),
        changes={kind.value: 0 for kind in KINDS} | {Kind.REMOVED.value: len(absences)},
        fields=Fields(field_shares=report.fields.field_shares),
        holds=Holds(population=warehouse.present(resource), held=rest.count, held_digest=rest.digest),
        rewritten=0,
        rejected=0,
        current=warehouse.present(resource) - len(absences),
        findings=(),
        decision=task.decided,
    )
    report = numbered(report, landed, warehouse=warehouse)
    rows = logged_rows(resource, warehouse, absences, kind=Kind.REMOVED, sync_id=sync_id, at=last.snapshot_at)
    landed.of_sync(sync_id).write_tables(DIFFERENCE, rows)
    landed.of_sync(sync_id).write_json(WHO, who_left(resource, absences, warehouse=warehouse))
    landed.of_sync(sync_id).write_json(REPORT, report.as_json())
    return _Removal(resource=resource, landed=landed, report=report)


def _sample(resource: Resource, warehouse: Warehouse, ids: Sequence[EntryId]) -> Iterator[tuple[str, str]]:
    labels = {}
    if resource.label_field:
        for rows in warehouse.last_changes(resource, ids):
            for row in rows.to_pylist():
                label = value_at(parse_record(row["record"]), resource.label_field)
                labels[row["id"]] = "" if label is None else str(label)
    yield from ((str(id_), labels.get(id_, "")) for id_ in ids)


def _recent(resource: Resource, warehouse: Warehouse) -> Iterator[tuple[str, int, int, int, int, int]]:
    for sync in warehouse.recent_syncs(resource.name, at_most=SYNCS_SHOWN, of_all_kinds=True):
        changes = orjson.loads(sync.report)["changes"]
        counts = [int(changes.get(kind, 0)) for kind in (Kind.ADDED, Kind.CHANGED, Kind.REMOVED)]
        yield (f"{sync.snapshot_at:%Y-%m-%d %H:%M}", sync.entries, counts[0], counts[1], counts[2], sync.held)
