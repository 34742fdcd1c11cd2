"""The checks of a sealed snapshot. Each finding is an error, a hold or a warning."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from itertools import islice

from directory_sync.audit.pages_seal import RereadSeal
from directory_sync.audit.proof import Seal
from directory_sync.audit.report import Finding
from directory_sync.audit.scratch import Counts
from directory_sync.config.form import Resource
from directory_sync.config.limits import Limit
from directory_sync.config.settings import SyncSettings

NULL_JUMP = 0.1
MAX_FIELD_FINDINGS = 20
MIN_SYNCS_FOR_SIZE = 3

FieldShares = Mapping[str, Mapping[str, float]]
Where = Callable[[str, Collection[str]], str]
"""Returns a sentence about where the values of a field with new types go; empty: nothing is known."""


def check_seal(seal: Seal, counts: Counts, *, entries: int, resource: Resource) -> Iterator[Finding]:
    """Yields findings about the seal, and about the API's own count against the snapshot's.

    Args:
        seal: what was proven.
        counts: the numbers of the pull, with the API's totals.
        entries: how many distinct entries the snapshot has.
        resource: the resource, which may say that the total is approximate.
    """
    yield from _reconcile(seal, counts, entries=entries, resource=resource)
    if seal.doubled:
        yield Finding(
            rule="doubled_ids",
            level="warning",
            message=(
                f"At least {seal.doubled:,} ids stand at several places of the list. The entry that was read "
                "last is published for each of them."
            ),
        )
    if isinstance(seal, RereadSeal) and seal.hidden:
        yield Finding(
            rule="hidden_pages",
            level="warning",
            message=(
                f"{seal.hidden:,} pages were empty although pages behind them hold entries: the API seems to "
                "leave out entries after it has cut the page. The order counts as assumed."
            ),
        )
    if seal.contradictions:
        yield Finding(
            rule="contradictions",
            level="warning",
            message=(
                f"{seal.contradictions:,} answers show entries in another order than later answers, and "
                "were read again. The order counts as assumed."
            ),
        )


def _reconcile(seal: Seal, counts: Counts, *, entries: int, resource: Resource) -> Iterator[Finding]:
    if not counts.totals:
        return
    low, high = counts.totals[0], counts.totals[-1]
    if low <= entries <= high:
        return
    is_still = low == high and not seal.displaced and not resource.total_is_approximate
    stated = f"{low:,}" if low == high else f"{low:,} to {high:,}"
    yield Finding(
        rule="reconciliation",
        level="error" if is_still else "warning",
        message=(
            f"The API states {stated} entries, the sealed snapshot of `{resource.name}` holds {entries:,}"
            + (
                " although nothing moved. If its total is an estimate, say `total: approximate`; if not, "
                "clear the `extract` tasks, or ask the vendor."
                if is_still
                else "."
            )
        ),
    )


def check_fields(before: FieldShares, now: FieldShares, *, where: Where | None = None) -> list[Finding]:
    """Returns findings about fields that appeared, vanished, have a new type or are null more often.

    Args:
        before: the field shares of the last snapshot; empty: nothing is compared.
        now: the field shares of this one.
        where: says where the values of a field with new types go; None: it is not said.

    Returns:
        At most MAX_FIELD_FINDINGS of them, and one that counts the rest.
    """
    findings = list(_compare_fields(before, now, where)) if before and now else []
    if len(findings) <= MAX_FIELD_FINDINGS:
        return findings
    more = f"{len(findings) - MAX_FIELD_FINDINGS:,} more fields appeared, vanished or changed."
    return [*findings[:MAX_FIELD_FINDINGS], Finding(rule="fields", level="warning", message=more)]


def _compare_fields(before: FieldShares, now: FieldShares, where: Where | None) -> Iterator[Finding]:
    for name in sorted(now.keys() - before.keys()):
        yield _field_finding(name, "appeared")
    for name in sorted(before.keys() - now.keys()):
        yield _field_finding(name, "vanished")
    for name in sorted(before.keys() & now.keys()):
        new_types = now[name].keys() - before[name].keys() - {"null"}
        if new_types and before[name].keys() - {"null"}:
            more = where(name, new_types) if where else ""
            yield _field_finding(name, f"has a new type: {', '.join(sorted(new_types))}", more)
        jump = now[name].get("null", 0.0) - before[name].get("null", 0.0)
        if jump > NULL_JUMP:
            yield _field_finding(name, f"is null in {jump:.0%} more of the entries")


def drifted_columns(
    before: FieldShares, now: FieldShares, *, column_of: Callable[[Sequence[str]], str]
) -> dict[str, dict[str, str]]:
    """Returns the columns of fields that appeared (`new_columns`) and that vanished (`null_columns`).

    A list has a table of its own, an object the columns of its fields, and a field that is null everywhere no
    column: none of them is named.

    Args:
        before: the field shares of the last snapshot; empty: nothing is compared.
        now: the field shares of this one.
        column_of: returns the column of the field at a path.

    Returns:
        The keywords for `Fields`: by field, its column; at most MAX_FIELD_FINDINGS of each.
    """
    if not before or not now:
        return {}

    def columns(shares: FieldShares, names: set[str]) -> dict[str, str]:
        plain = (name for name in sorted(names) if _is_plain(name, shares[name]))
        return {name: column_of(name.split(".")) for name in islice(plain, MAX_FIELD_FINDINGS)}

    return {
        "new_columns": columns(now, now.keys() - before.keys()),
        "null_columns": columns(before, before.keys() - now.keys()),
    }


def _is_plain(name: str, types: Mapping[str, float]) -> bool:
    # The dots of a schema's URN are no steps of a path.
    return "urn:" not in name and bool(types.keys() - {"null"}) and not types.keys() & {"array", "object"}


def _field_finding(name: str, what: str, more: str = "") -> Finding:
    return Finding(rule="fields", level="warning", message=f"The field `{name}` {what}.{more}")


def check_paths(resource: Resource, has_field: Callable[[Sequence[str]], bool]) -> Iterator[Finding]:
    """Yields paths of the form that no entry has, so that they have no effect.

    Args:
        resource: the resource with its `ignored_fields`, `sort_field` and `label_field`.
        has_field: tells whether any entry of the snapshot has a value at a path.
    """
    single = (("sort_field", resource.sort_field), ("label_field", resource.label_field))
    for key, path in (*(("ignored_fields", path) for path in resource.ignored_fields), *single):
        if path and not has_field(path):
            yield Finding(
                rule="paths",
                level="warning",
                message=(
                    f"`{'.'.join(path)}`, of `{key}` of `{resource.name}`, is in no entry and has no effect: "
                    "correct it, or leave it out. A path cannot lead into a list."
                ),
            )


def check_left_out(left_out: int, known: int) -> Iterator[Finding]:
    """Yields a warning where a `filter` of the form leaves out entries that the table has.

    Args:
        left_out: how many entries it does not let through.
        known: how many of them the table has as present.
    """
    if known:
        yield Finding(
            rule="filter",
            level="warning",
            message=(
                f"{known:,} of the {left_out:,} entries that a `filter` in `processing_steps` does not let "
                "through are in the table. They count as absent, within the limits on removals."
            ),
        )


def check_size(entries: int, recent: Sequence[int], settings: SyncSettings) -> Iterator[Finding]:
    """Yields a warning where the number of entries differs much from the last syncs.

    Args:
        entries: the number of entries of this snapshot.
        recent: the numbers of entries of the last syncs.
        settings: has `max_size_deviation`, a share of their median.
    """
    if len(recent) < MIN_SYNCS_FOR_SIZE:
        return
    median = sorted(recent)[len(recent) // 2]
    if median and abs(entries - median) > settings.max_size_deviation * median:
        yield Finding(
            rule="size",
            level="warning",
            message=f"{entries:,} entries where the last {len(recent)} syncs had about {median:,}.",
        )


def check_changed_share(changed: int, population: int, settings: SyncSettings) -> Iterator[Finding]:
    """Yields a hold where more than `max_changed_share` of the known entries changed at once.

    Args:
        changed: how many entries changed.
        population: how many entries the table holds as present.
        settings: has `max_changed_share`, and `min_population`, below which nothing is checked.
    """
    if population >= settings.min_population and changed > settings.max_changed_share * population:
        yield Finding(
            rule="changed_share",
            level="hold",
            message=(
                f"{changed:,} of {population:,} entries changed (limit {settings.max_changed_share:.0%}): "
                "removals of this snapshot wait for a decision."
            ),
        )


def check_removals(
    missing: int, population: int, *, limit: Limit, before: int = 0, is_empty: bool = False
) -> Iterator[Finding]:
    """Yields a hold where more entries went missing than a limit allows.

    Args:
        missing: how many entries are newly missing in this snapshot.
        population: how many entries were present when the limit's period began.
        limit: the limit for one run, or for a period.
        before: how many entries went missing in the period before this snapshot, without a decision.
        is_empty: the snapshot is empty, and the table is not.
    """
    if not is_empty and not (missing and limit.exceeded_by(missing=before + missing, population=population)):
        return
    if limit.period is None:
        went = f"{missing:,} of {population:,} entries went missing (limits {limit}): they wait"
    else:
        went = (
            f"{missing:,} entries went missing, {before + missing:,} of {population:,} within "
            f"{limit.period.days} days (limits {limit}): the {missing:,} wait"
        )
    yield Finding(rule=limit.rule, level="hold", message=f"{went} for a decision. Nothing was removed.")


def holds(findings: Iterable[Finding]) -> bool:
    """Tells whether a finding makes removals wait for a decision."""
    return any(finding.level == "hold" for finding in findings)
