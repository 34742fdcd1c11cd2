"""The question about held removals and the decision on it. Both are landed with the run."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any, Literal, TypeVar

import msgspec

from directory_sync.audit.report import Finding
from directory_sync.config.limits import RemovalLimits
from directory_sync.config.older_python import UTC
from directory_sync.landing.damage import naming_damage
from directory_sync.landing.files import DECISION, QUESTION
from directory_sync.landing.snapshot import LandedSnapshot

Landed = TypeVar("Landed")
Choice = Literal["approved", "rejected", "unanswered", "stale"]
"""The outcome of a question; `stale`: approved, but the warehouse had changed since."""

SHOWN_CHARACTERS = 80
_UNSEEN = ("Cc", "Cf", "Cs", "Co", "Cn")
"""Unicode categories of invisible characters: controls, bidi overrides, unassigned code points."""
_JOINERS = "\u200c\u200d"

_CHOICES = (
    "**Approve** marks exactly these entries as removed. **Reject** removes nothing: they stay until the API "
    "lists them again, and later syncs do not ask again about the same ones."
)
LABELS_SHOWN = 8
"""How many entries are shown where each has a label: the buttons stand below the page."""
SYNCS_SHOWN = 4


@dataclass(frozen=True, kw_only=True)
class Question:
    """The question that a person is shown. An answer applies to exactly this question.

    Attributes:
        resource: the resource of the entries.
        sync_id: the warehouse's last publication; a removal must follow exactly this one.
        digest: the digest of the held absences, see `HeldSet`.
        held: how many entries are held.
        population: how many entries are present, including the held ones.
        limits: the limits on removals in this run.
        sample: ids of the first held entries, each with its label; "" where no label is shown.
        recent: the last publications, newest first: time, entries, added, changed, removed, held.
        reasons: the findings that hold the entries.
        table: the table with its schema, for the query that is shown.
        patterns: what the held entries have in common, see `pattern`.
        form_file: the file where `label_field` can be set; "" where it is set.
    """

    resource: str
    sync_id: str
    digest: str
    held: int
    population: int
    limits: RemovalLimits
    sample: tuple[tuple[str, str], ...]
    recent: tuple[tuple[str, int, int, int, int, int], ...]
    reasons: tuple[str, ...]
    table: str
    patterns: tuple[str, ...] = ()
    form_file: str = ""

    @property
    def bound(self) -> str:
        """The identity of the question: the last sync and the digest of the held set."""
        return f"{self.sync_id}:{self.digest}"

    def subject(self) -> str:
        """The question in one line."""
        return f"Remove {self.held:,} of {self.population:,} entries from {self.resource}?"

    def told(self, until: datetime) -> dict[str, Any]:
        """Returns what XCom carries of the question: counts, and until when it waits."""
        return {
            "held": self.held,
            "population": self.population,
            "until": until.astimezone(UTC).isoformat(timespec="seconds"),
            "patterns": list(self.patterns),
        }

    def query(self) -> str:
        """The statement that shows all held entries."""
        return f"SELECT * FROM {self.table}\nWHERE _missing_since IS NOT NULL AND _removed_at IS NULL"

    def body(self, until: datetime | None = None) -> str:
        """The question's page, in Markdown. It is short: the buttons stand below it.

        Args:
            until: when the question ends; None: nobody knows.
        """
        share = self.held / self.population if self.population else 1.0
        limit = self.limits
        held = _bold(f"{limit.max_removed_count:,} entries", when=self.held > limit.max_removed_count)
        part = _bold(f"{limit.max_removed_share:.1%}", when=share > limit.max_removed_share)
        listed = ", ".join(f"{entries:,}" for _, entries, *_ in self.recent[:SYNCS_SHOWN])
        facts = [
            *self.reasons,
            *self.patterns,
            f"The limits of one run are {held} and {part}.",
            *([f"The last syncs, the newest first, listed {listed} entries."] if listed else []),
        ]
        absent = f"**{self.held:,} entries ({share:.1%}) are absent** from the directory."
        every = f"All of them: `{' '.join(self.query().split())}`."
        lines = [
            f"{absent} Everything else of the sync is published. {_ends(until)}",
            "",
            *(f"- {fact}" for fact in facts),
            "",
            _CHOICES,
            "",
            self._sample_line(),
            "",
            f"{every} Digest `{self.digest[:16]}`, after sync `{self.sync_id}`.",
        ]
        return "\n".join(lines)

    def _sample_line(self) -> str:
        """The first ids, with their labels where they have some."""
        has_labels = any(label for _, label in self.sample)
        sample = self.sample[:LABELS_SHOWN] if has_labels else self.sample
        shown = f"The first {len(sample)}" if self.held > len(sample) else "These"
        ids = ", ".join(f"{as_code(id_)} {as_code(label)}".rstrip() for id_, label in sample)
        hint = f" For names beside the ids, set `label_field` in {self.form_file}." if self.form_file else ""
        return f"{shown}: {ids}.{hint}"


def held_because(findings: Sequence[Finding], limits: RemovalLimits) -> tuple[str, ...]:
    """Returns why entries are held, without the numbers of a finding.

    A finding counts the entries before the sync; a question counts those of the table, the held ones too.

    Args:
        findings: what the audit found.
        limits: the limits on removals in this run.
    """
    words = {limits.of_one_run.rule: "More entries went missing in one run than its limits allow."} | {
        limit.rule: f"More went missing within {limit.period.days} days than the limits ({limit}) allow."
        for limit in limits.over_time
        if limit.period
    }
    return tuple(words.get(one.rule, one.message) for one in findings if one.level == "hold")


def _ends(until: datetime | None) -> str:
    if until is None:
        return "Without an answer nothing is removed."
    return f"**Answer until {until.astimezone(UTC):%Y-%m-%d %H:%M} UTC**; then it counts as Reject."


@dataclass(frozen=True, kw_only=True)
class Decision:
    """The answer to one question.

    Attributes:
        digest: the digest of the question.
        choice: the answer, or what became of it.
        sync_id: the sync of the question. The answer is valid only for this digest and this sync.
        reason: the reason that the person gave; "" where none was given.
        by: who answered; "" where nobody did.
        at: when, as ISO 8601 in UTC; "" where an earlier release landed the decision.
    """

    digest: str
    choice: Choice
    sync_id: str = ""
    reason: str = ""
    by: str = ""
    at: str = ""

    def told(self) -> dict[str, str]:
        """Returns what the report, XCom and the asset event carry of the decision."""
        return {"choice": self.choice, "by": self.by, "at": self.at, "reason": self.reason}

    def note(self, held: int) -> str:
        """The decision in one line."""
        words = {
            "approved": f"the removal of {held:,} entries was approved",
            "rejected": f"the removal of {held:,} entries was rejected; nothing was removed",
            "unanswered": f"nobody decided on {held:,} held entries in time; nothing was removed",
            "stale": f"the approval for {held:,} entries was refused as stale; nothing was removed",
        }
        reason = " ".join(self.reason.split())
        by = f"; answered by {as_code(self.by)}" if self.by else ""
        return words[self.choice] + (f" ({reason})" if reason else "") + by


def landed_question(landed: LandedSnapshot) -> Question | None:
    """Returns the question that was landed with a run; None where nothing was asked.

    Raises:
        SnapshotError: it cannot be read.
    """
    return _landed(landed, QUESTION, Question)


def landed_decision(landed: LandedSnapshot, question: Question) -> Decision | None:
    """Returns the decision on exactly this question; None: nobody decided yet.

    Raises:
        SnapshotError: it cannot be read.
    """
    decision = _landed(landed, DECISION, Decision)
    if decision is None or decision.choice in ("unanswered", "stale"):
        return None
    return decision if (decision.sync_id, decision.digest) == (question.sync_id, question.digest) else None


def void_decision(landed: LandedSnapshot) -> None:
    """Marks a refused approval as stale, so that clearing the run later does not carry it out."""
    decision = _landed(landed, DECISION, Decision)
    if decision is not None and decision.choice == "approved":
        land_decision(landed, replace(decision, choice="stale"))


def land_decision(landed: LandedSnapshot, decision: Decision) -> None:
    """Keeps a decision with the run: `remove` carries it out, and a cleared task does not ask again."""
    landed.write_json(DECISION, asdict(decision))


def _landed(landed: LandedSnapshot, name: str, kind: type[Landed]) -> Landed | None:
    content = landed.read_json(name)
    if not content:
        return None
    with naming_damage(name):
        return msgspec.convert(content, kind)


def _bold(text: str, *, when: bool) -> str:
    return f"**{text}**" if when else text


def as_code(text: str) -> str:
    """Returns text of the API as inline code in Markdown: nothing in it is markup, and no URL becomes a link.

    Escaping is not enough: Airflow renders Markdown with GFM's autolinks, which find URLs in the unescaped
    text. Invisible characters are shown as U+FFFD.
    """
    one_line = " ".join(text.split())
    shown = "".join(
        c if c in _JOINERS or unicodedata.category(c) not in _UNSEEN else "\ufffd" for c in one_line
    )
    if len(shown) > SHOWN_CHARACTERS:
        shown = f"{shown[:SHOWN_CHARACTERS]}…"
    if not shown:
        return ""
    fence = "`" * (1 + max(map(len, re.findall("`+", shown)), default=0))
    pad = " " if "`" in (shown[0], shown[-1]) else ""
    return f"{fence}{pad}{shown}{pad}{fence}"
