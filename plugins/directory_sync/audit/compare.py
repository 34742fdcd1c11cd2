"""Compares a sealed snapshot with the warehouse: finds what to publish, to hold and to report."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import partial

import orjson

from directory_sync.audit.checks import (
    FieldShares,
    check_changed_share,
    check_fields,
    check_left_out,
    check_paths,
    check_removals,
    check_size,
    drifted_columns,
    holds,
)
from directory_sync.audit.decisions import Order
from directory_sync.audit.details import Details, HasEntry, ask_details, check_details
from directory_sync.audit.difference import Difference
from directory_sync.audit.held import asks_now
from directory_sync.audit.job import Audit
from directory_sync.audit.parents import fates, hold_parents
from directory_sync.audit.proof import ReadPage
from directory_sync.audit.report import (
    AuditReport,
    Completeness,
    Fields,
    Finding,
    Holds,
    Origin,
    Traffic,
)
from directory_sync.audit.reread import (
    ANSWERS_WHEN_MOVED,
    ANSWERS_WHEN_STILL,
    Reread,
    check_reread,
    removed_before,
    reread,
)
from directory_sync.audit.sealed import SealedSnapshot
from directory_sync.audit.variants import where_values_go
from directory_sync.audit.who import who_of_difference
from directory_sync.config.fields import and_parents
from directory_sync.config.keys import ID
from directory_sync.config.kinds import KINDS, Kind, Proof
from directory_sync.errors import ConfigError
from directory_sync.landing.files import DIFFERENCE, REPORT, WHO
from directory_sync.warehouse.syncs import SyncRow
from directory_sync.warehouse.warehouse import Warehouse

RECENT_SYNCS = 14
MAX_ABSENT = 10_000
UNPROVEN_WALK, CHILDREN = "unproven_walk", "children"
"""The rules of the findings that a walk proves no absence, and that entries of children would go along."""
RAISED_LIMITS = "raised_limits"
"""The rule of the finding that a run raised the limits; the run's note repeats it."""


def compare(
    sealed: SealedSnapshot,
    *,
    warehouse: Warehouse,
    has_entry: HasEntry | None = None,
    read_page: ReadPage | None = None,
) -> AuditReport:
    """Compares a sealed snapshot with the warehouse; lands the difference and the report.

    Args:
        sealed: the snapshot.
        warehouse: open, and held by this process.
        has_entry: asks the API for one absent entry; None: the API is not asked.
        read_page: reads the places of absent entries again; None: the API is not asked.

    Returns:
        The report.

    Raises:
        ConfigError: the ids have another type than the table's, `detail_path` does not work, or the API does
            not honour the interval.
    """
    job, snapshot = sealed.job, sealed.snapshot
    recent = warehouse.recent_syncs(job.resource.name, at_most=RECENT_SYNCS)
    last, base = recent[0] if recent else None, warehouse.last_sync(job.resource.name)
    _check_key(sealed, base)
    _check_interval(sealed)
    difference = Difference(
        snapshot,
        sealed.files,
        warehouse,
        resource=job.resource,
        rehash=(
            not job.run.is_partial and last is not None and last.settings_fingerprint != sealed.fingerprint
        ),
        at=sealed.at,
        mode=job.run.mode,
    )
    if job.resource.parent is not None:
        difference.follow_parents(job.resource.parent, partial(fates, job, sealed.files, warehouse=warehouse))
    for removed in job.held_for.values():
        difference.miss_anew(removed)
    before: FieldShares = orjson.loads(last.report)["field_shares"] if last else {}
    named = sealed.names_beside(before, entries=last.entries if last else 0)
    now = _only(sealed.shares, named)
    fields = _only(before, named), now
    findings = list(_findings(sealed, difference, recent, fields=fields, warehouse=warehouse))
    # A later interval run may have met an absent entry without changing it, which leaves no trace.
    is_overtaken = warehouse.has_interval_after(job.resource.name, sealed.at)
    is_held = holds(findings)
    if job.resource.parent is not None:
        findings += _hold_parents(sealed, difference, findings)
    details = Details()
    if has_entry is not None and not is_held:
        details = ask_details(
            difference, has_entry, resource=job.resource, at_most=job.settings.max_detail_requests
        )
    findings += check_details(details)
    again = Reread()
    if sealed.ids_ascend and not (is_held or is_overtaken or job.run.is_partial or job.resource.detail_path):
        again = _read_again(sealed, difference, read_page)
    findings += check_reread(again)
    difference.decide(
        order="overtaken" if is_overtaken else _order(sealed, contradicted=bool(again.seen)),
        is_held=is_held,
        at=sealed.at,
        details=dict(details.is_there) | dict.fromkeys(again.seen | again.unconfirmed, True),
        needs_details=job.resource.detail_path is not None,
    )
    change_rows = difference.change_rows()
    changed_fields = change_rows.describe(
        appeared={name for name in now.keys() - before.keys() if before and _whole(now[name])},
        vanished={
            name for name in before.keys() - sealed.shares.keys() if sealed.shares and _whole(before[name])
        },
        named=and_parents(named),
    )
    report = _report(
        sealed,
        difference,
        base=base,
        findings=findings,
        fields=Fields(
            changed_fields=dict(changed_fields.most_common(50)),
            field_shares=now,
            **({} if job.run.is_partial else drifted_columns(before, now, column_of=warehouse.column_of)),
        ),
        last_asked=warehouse.last_asked(job.resource),
    )
    rows = change_rows.rows(sync_id=report.sync_id, snapshot_at=sealed.at)
    landed = job.lands_in or job.landed
    landed.of_sync(report.sync_id).write_tables(DIFFERENCE, rows)
    if job.lands_in is None:
        who = who_of_difference(snapshot.database, job.resource, named=and_parents(named))
        landed.of_sync(report.sync_id).write_json(WHO, who)
    landed.of_sync(report.sync_id).write_json(REPORT, report.as_json())
    landed.write_json(REPORT, report.as_json())
    return report


def _order(sealed: SealedSnapshot, *, contradicted: bool) -> Order:
    """Returns whether the order of the list proves an absence.

    Args:
        sealed: the snapshot.
        contradicted: another answer of the list shows an absent entry.
    """
    resource = sealed.job.resource
    if resource.removals_are_confirmed:
        return "assumed"
    if sealed.proof == Proof.WALK and not resource.removals_are_trusted:
        return "unproven"
    return "assumed" if sealed.order == "assumed" or contradicted else "proven"


def _hold_parents(
    sealed: SealedSnapshot, difference: Difference, findings: Sequence[Finding]
) -> Iterator[Finding]:
    """Lets the removals of the parent wait, where the entries that would go along are over a limit.

    A hold for an unproven walk alone does not: the absence of these entries is that of their parent.
    """
    job, entries = sealed.job, difference.leaving_with_parents
    assert job.resource.parent is not None
    is_over = any(one.level == "hold" and one.rule != UNPROVEN_WALK for one in findings)
    waits = bool(entries) and is_over
    if job.lands_in is None:
        hold_parents(job, sync_id=sealed.manifest.parent_sync_id if waits else None, entries=entries)
    if is_over:
        difference.hold_followers()
    if waits:
        yield Finding(
            rule="parents_wait",
            level="warning",
            message=(
                f"{entries:,} entries would leave with their `{job.resource.parent.name}`: the removals of "
                "these wait for a decision, too, and their entries stay until then."
            ),
        )


def _only(shares: FieldShares, names: Collection[str]) -> dict[str, Mapping[str, float]]:
    return {name: types for name, types in shares.items() if name in names}


def _whole(types: Mapping[str, float]) -> bool:
    return sum(types.values()) > 0.999


def _findings(
    sealed: SealedSnapshot,
    difference: Difference,
    recent: Sequence[SyncRow],
    *,
    fields: tuple[FieldShares, FieldShares],
    warehouse: Warehouse,
) -> Iterator[Finding]:
    population, job = difference.population, sealed.job
    yield from sealed.manifest.findings
    if job.run.is_partial:
        # A part of the directory cannot be compared with the whole.
        return
    if job.raised_limits:
        yield Finding(
            rule=RAISED_LIMITS,
            level="warning",
            message=f"The limits on removals were raised for this run: {job.raised_limits}.",
        )
    yield from check_fields(*fields, where=partial(where_values_go, job.resource, warehouse))
    if population.entries:
        yield from check_paths(job.resource, partial(sealed.snapshot.has_field, sealed.files))
    yield from check_left_out(*difference.left_out())
    yield from check_size(population.entries, [sync.entries for sync in recent], job.settings)
    yield from check_changed_share(population.changed, population.known, job.settings)
    yield from _check_removals(sealed, difference, warehouse)
    yield from _check_walk(difference, job, proof=sealed.proof)
    yield from _check_children(job, difference)


def _report(
    sealed: SealedSnapshot,
    difference: Difference,
    *,
    base: SyncRow | None,
    findings: Sequence[Finding],
    fields: Fields,
    last_asked: SyncRow | None,
) -> AuditReport:
    job, manifest, population = sealed.job, sealed.manifest, difference.population
    counts, held = difference.counts(), difference.held()
    seal, api = manifest.seal, manifest.api
    asks = asks_now(
        held=held.count,
        grown_by=difference.held_since(last_asked.snapshot_at) if last_asked else held.count,
        population=population.known,
        last_asked_at=last_asked.snapshot_at if last_asked else None,
        at=sealed.at,
        limits=job.limits,
        ask_again_days=job.settings.ask_again_days,
    )
    return AuditReport(
        origin=Origin(
            sync_id=manifest.sync_id,
            base_sync_id=base.sync_id if base else None,
            resource=job.resource.name,
            run_id=job.run.run_id,
            mode=job.run.mode,
            snapshot_at=sealed.at,
            last_requested_at=manifest.last_requested_at,
            settings_fingerprint=sealed.fingerprint,
            id_type=sealed.key_type or (base.id_type if base else None),
            key=job.resource.key.names,
            directory=job.run.directory,
            parent_sync_id=manifest.parent_sync_id,
            dataset=job.settings.dataset,
        ),
        entries=population.entries,
        read_from=manifest.read_from or None,
        unchanged=population.unchanged,
        changes={kind.value: counts.get(kind, 0) for kind in KINDS},
        rewritten=counts.get(Kind.REWRITTEN, 0),
        left_out=difference.left_out()[0],
        current=difference.current,
        fields=fields,
        holds=Holds(
            population=population.known + population.held,
            newly_missing=population.newly_missing,
            held=held.count,
            newly_held=population.newly_missing if holds(findings) else 0,
            held_digest=held.digest,
            asks=asks and not job.run.is_partial,
        ),
        completeness=Completeness(
            order=sealed.order,
            proof=sealed.proof,
            windows=seal.windows,
            joints=seal.joints,
            bridged=seal.bridged,
        ),
        traffic=Traffic(requests=api.answers + api.retries, retries=api.retries, refused=api.refused),
        findings=tuple(findings),
    )


def _read_again(sealed: SealedSnapshot, difference: Difference, read_page: ReadPage | None) -> Reread:
    """Looks for absent entries again; without the API, uses the result of the earlier comparison."""
    absent = difference.absent(at_most=MAX_ABSENT)
    if not absent or sealed.job.lands_in is not None:
        # A replay does not ask the API; entries still absent are absent in later snapshots too.
        return Reread()
    if read_page is None:
        known = removed_before(sealed.job.landed, sealed.manifest.sync_id)
        return Reread(absent=len(absent), unconfirmed=frozenset(absent) - known)
    answers = ANSWERS_WHEN_STILL if sealed.is_still else ANSWERS_WHEN_MOVED
    return reread(sealed.snapshot, absent, read_page, answers_needed=answers)


def _check_removals(
    sealed: SealedSnapshot, difference: Difference, warehouse: Warehouse
) -> Iterator[Finding]:
    """Holds missing entries by the limit of one run, and by the limits over time.

    Held entries are no longer expected in the list, so the limits apply to the population without them.
    """
    population, limits = difference.population, sealed.job.limits
    yield from check_removals(
        population.newly_missing,
        population.known,
        limit=limits.of_one_run,
        is_empty=population.is_suspiciously_empty,
    )
    for limit in limits.over_time if population.newly_missing else ():
        assert limit.period is not None
        begin = sealed.at - limit.period
        then = warehouse.entries_at(sealed.job.resource.name, begin)
        then -= difference.left_since(begin, asked=True)
        yield from check_removals(
            population.newly_missing,
            # For a directory that has grown since, the present number counts.
            max(then, population.known),
            limit=limit,
            before=difference.left_since(begin, asked=False),
        )


def _check_walk(difference: Difference, job: Audit, *, proof: str) -> Iterable[Finding]:
    """Holds absences of a walk along links, which proves none, unless `detail_path` or the form decides."""
    resource = job.resource
    is_decided = resource.removals_are_trusted or resource.removals_are_confirmed or resource.detail_path
    if proof != Proof.WALK or is_decided:
        return
    if difference.absent(at_most=1):
        yield Finding(
            rule=UNPROVEN_WALK,
            level="hold",
            message=(
                f"Entries of `{job.resource.name}` are absent from a walk along the API's own links, and "
                "nothing proves that these led to all entries: removals wait for a decision. Nothing was "
                "removed. If the API has a path of one entry, set `detail_path`, and absent entries are "
                "asked for. If not, `removals: confirmed` removes an entry when the next snapshot lacks it "
                "too, and `removals: trusted` at once where the ids ascend. They stand in "
                f"{job.resource.form_file}."
            ),
        )


def _check_children(job: Audit, difference: Difference) -> Iterator[Finding]:
    """Holds removals that would take along entries of a child over its limits."""
    if job.held_for and difference.population.newly_missing:
        yield Finding(
            rule=CHILDREN,
            level="hold",
            message=(
                f"The entries of `{'`, `'.join(job.held_for)}` that would leave with entries of "
                f"`{job.resource.name}` are over a limit: the removals wait for a decision. Nothing was "
                "removed."
            ),
        )


def _check_interval(sealed: SealedSnapshot) -> None:
    """Refuses an interval whose entries changed before it: the API ignores its parameters then."""
    incremental, interval = sealed.job.resource.incremental, sealed.job.run.interval
    if not sealed.job.run.is_partial or incremental is None or interval is None:
        return
    moment, name = interval[0], sealed.job.resource.name
    entries, timed, before = sealed.snapshot.entries_before(sealed.files, incremental.cursor_path, moment)
    if entries and not timed:
        raise ConfigError(
            f"`{'.'.join(incremental.cursor_path)}`, the `cursor_path` of `{name}`, holds no time in ISO "
            "8601: whether the API honours the interval cannot be seen. Nothing was published. Correct "
            f"`incremental` in {sealed.job.resource.form_file}, or leave it out."
        )
    if before:
        raise ConfigError(
            f"{before:,} of {entries:,} entries that `{name}` answered for an interval changed before its "
            f"begin, {moment.isoformat()}: the API does not honour `{incremental.start_param}`. Nothing was "
            f"published. Correct `incremental` in {sealed.job.resource.form_file}, or leave it out."
        )


def _check_key(sealed: SealedSnapshot, last: SyncRow | None) -> None:
    """Refuses another key than the table has, or one of another type."""
    resource, found = sealed.job.resource, sealed.key_type
    resource.refuse_other_key(sealed.manifest.key, of="this snapshot")
    if last is None:
        return
    resource.refuse_other_key(orjson.loads(last.report).get("key", ID.names), of="the last sync")
    if last.id_type and found and last.id_type != found:
        raise ConfigError(
            f"The ids of `{resource.name}` are {found} now and were {last.id_type} at the last "
            "sync. Nothing was published. Ask the API's vendor, or sync under another name."
        )
