"""Stage 4: asks a person about held removals, and carries out an approved removal.

The question shows a digest of exactly the held absences, and the answer applies only to these. The removal
is a separate publication that follows the one that asked. If another publication came between, the approval
is stale and is refused.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace

import orjson

from directory_sync.api.answer import EntryId, parse_record
from directory_sync.audit.held import HeldSet
from directory_sync.audit.report import AuditReport, Fields, Holds
from directory_sync.config.fields import value_at
from directory_sync.config.form import Resource
from directory_sync.config.kinds import KINDS, Kind
from directory_sync.config.limits import RemovalLimits
from directory_sync.config.mode import Mode
from directory_sync.errors import RemovalsHeld
from directory_sync.landing.files import DIFFERENCE, QUESTION, REPORT
from directory_sync.landing.snapshot import LandedSnapshot
from directory_sync.publish.logged import logged_rows
from directory_sync.publish.publications import mark_published, numbered
from directory_sync.publish.question import Question, landed_question, void_decision
from directory_sync.publish.stage import publish_landed, roll_forward
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
    resource: Resource, landed: LandedSnapshot, question: Question, *, run_id: str, warehouse: Warehouse
) -> AuditReport:
    """Marks the entries of an approved question as removed. Idempotent.

    Args:
        resource: the resource of the entries.
        landed: the folder of the run that asked.
        question: the approved question.
        run_id: the Dag run that carries out the removal.
        warehouse: open, and held by this process.

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
    if last is None or (last.sync_id, held.digest) != (question.sync_id, question.digest):
        void_decision(landed)
        raise RemovalsHeld(
            f"The approval for `{resource.name}` is stale: it was given for {question.held:,} entries on top "
            f"of sync {question.sync_id}; the warehouse is at {last.sync_id if last else 'no sync'} with "
            f"{held.count:,} held. Nothing was removed. Trigger the Dag with mode `decide` to be asked about "
            "the present ones; see docs/runbook.md#removalsheld."
        )
    snapshot = warehouse.last_snapshot(resource.name) or last
    report = AuditReport.from_json(orjson.loads(snapshot.report))
    report = replace(
        report,
        origin=replace(
            report.origin,
            sync_id=sync_id,
            base_sync_id=last.sync_id,
            mode=Mode.DECIDE,
            run_id=run_id,
            snapshot_at=last.snapshot_at,
            last_requested_at=last.last_requested_at,
        ),
        changes={kind.value: 0 for kind in KINDS} | {Kind.REMOVED.value: held.count},
        fields=Fields(field_shares=report.fields.field_shares),
        holds=Holds(population=question.population),
        rewritten=0,
        rejected=0,
        findings=(),
    )
    report = numbered(report, landed, warehouse=warehouse)
    rows = logged_rows(
        resource, warehouse, dict(absences), kind=Kind.REMOVED, sync_id=sync_id, at=last.snapshot_at
    )
    landed.of_sync(sync_id).write_tables(DIFFERENCE, rows)
    landed.of_sync(sync_id).write_json(REPORT, report.as_json())
    return publish_landed(resource, landed, report, warehouse=warehouse)


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
