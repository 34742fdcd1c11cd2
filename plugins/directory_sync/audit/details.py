"""Asks the API for absent entries one by one, and checks whether its answers are reliable.

A 404 proves an absence only if the same path answers 200 for entries that are present. So present entries are
asked for as controls: a few of all, and a few whose ids have the same special characters as the absent ones.
Servers and proxies often misread such characters (`%2F`, `+`, a doubled `/`).
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from urllib.parse import quote

from directory_sync.api.answer import EntryId
from directory_sync.audit.difference import Difference
from directory_sync.audit.report import Finding
from directory_sync.config.form import Resource
from directory_sync.config.keys import ID, Key
from directory_sync.errors import ConfigError

MAX_MARKS = 50
CONTROLS, CONTROLS_PER_MARK, CANDIDATES = 3, 1, 5
MAX_FAILURES = 1
"""How many controls may be missing: one may have left since the snapshot, two are no coincidence."""

HasEntry = Callable[[EntryId], bool]
"""Tells whether the API still has one entry."""

_PLAIN, _OTHER = "A-Za-z0-9._~-", r"[^\x00-\x7F]"
_DOTS = (".", "..")
"""Ids that are never asked for: a URL with them is normalised to another path."""

_CHARACTERS = "/%+ :#?&"
"""Characters that servers often get wrong; a present id with each of them is asked for."""


@dataclass(frozen=True, kw_only=True)
class Details:
    """The reliable answers about absent entries.

    Attributes:
        is_there: by id, whether the API still has the entry.
        unproven: how many entries were not found, but without a control that makes this a proof.
        marks: the special characters for which no control was found.
    """

    is_there: dict[EntryId, bool] = field(default_factory=dict)
    unproven: int = 0
    marks: tuple[str, ...] = ()


def ask_details(difference: Difference, has_entry: HasEntry, *, resource: Resource, at_most: int) -> Details:
    """Asks for a bounded number of absent entries, and for controls where some are not found.

    Args:
        difference: the snapshot against the table.
        has_entry: asks the API for one entry.
        resource: the resource, for messages.
        at_most: how many absent entries are asked for; the next run asks for the others.

    Raises:
        ConfigError: `detail_path` does not find entries that are present.
    """
    absent = difference.absent(at_most=at_most)
    key = resource.key
    answers = {one: not _is_normalised(one, key) and has_entry(one) for one in absent}
    not_found = [entry_id for entry_id, is_there in answers.items() if not is_there]
    if not not_found:
        return Details(is_there=answers)
    control = _Control(difference, has_entry, resource)
    control.ask(not_found)
    unproven = {entry_id: lacking for entry_id in not_found if (lacking := control.lacking(entry_id))}
    return Details(
        is_there={entry_id: is_there for entry_id, is_there in answers.items() if entry_id not in unproven},
        unproven=len(unproven),
        marks=tuple(sorted({label for labels in unproven.values() for label in labels})),
    )


def check_details(details: Details) -> Iterator[Finding]:
    """Yields warnings: the API still has entries that its list lacks, or its answers prove nothing."""
    there, asked = sum(details.is_there.values()), len(details.is_there) + details.unproven
    if there:
        yield Finding(
            rule="details",
            level="warning",
            message=(
                f"{there:,} of {asked:,} absent entries that were asked for are still there under "
                "`detail_path`: the list does not show all. They count as missing and are not removed."
            ),
        )
    if details.unproven:
        yield Finding(
            rule="details_unproven",
            level="warning",
            message=(
                f"{details.unproven:,} of {asked:,} absent entries were not found under `detail_path`, and "
                f"no present entry has an id like theirs ({', '.join(details.marks[:5])}) to show that the "
                "path finds such ids: this proves nothing. They count as missing and are not removed."
            ),
        )


class _Control:
    """Asks for entries of the snapshot, which are known to be present."""

    def __init__(self, difference: Difference, has_entry: HasEntry, resource: Resource) -> None:
        self._difference, self._has_entry, self._resource = difference, has_entry, resource
        self._key = resource.key
        self._there: dict[EntryId, bool] = {}

    def ask(self, absent: Iterable[EntryId]) -> None:
        """Asks for a few entries, and for a few with ids like those of the absent ones."""
        self._expect(self._difference.present_spread(), needed=CONTROLS)
        wanted = {f"[{_written(character)}]": quote(character, safe="") for character in _CHARACTERS}
        wanted |= dict(list(_marks_of_all(absent, self._key))[:MAX_MARKS])
        for mark, label in wanted.items():
            if not self._covers(mark):
                like = self._difference.present_like(mark, at_most=CANDIDATES)
                self._expect(like, needed=CONTROLS_PER_MARK, label=label)

    def lacking(self, entry_id: EntryId) -> list[str]:
        """Returns the special characters of an absent entry's id that no control has."""
        if not any(self._there.values()):
            return ["no present entry"]
        return [label for mark, label in marks(entry_id, self._key) if not self._covers(mark)]

    def _covers(self, mark: str) -> bool:
        there = (one for one, is_there in self._there.items() if is_there)
        return any(re.search(mark, bounded(one, self._key)) for one in there)

    def _expect(self, candidates: Sequence[EntryId], *, needed: int, label: str = "") -> None:
        there = failures = 0
        for entry_id in candidates:
            if _is_normalised(entry_id, self._key):
                continue
            if entry_id not in self._there:
                self._there[entry_id] = self._has_entry(entry_id)
            there += self._there[entry_id]
            failures += not self._there[entry_id]
            if there == needed or failures > MAX_FAILURES:
                break
        if failures and (failures > MAX_FAILURES or not there):
            raise self._not_found(label)

    def _not_found(self, label: str) -> ConfigError:
        of_ids = f" and have {label} in their ids" if label else ""
        fields = " and ".join(re.findall(r"\{[^}]*\}", self._resource.detail_path or ""))
        return ConfigError(
            f"`detail_path` of `{self._resource.name}`, {self._resource.detail_path}, does not find entries "
            f"that are in this snapshot{of_ids}: that it does not find absent ones proves nothing. Nothing "
            f"was removed or published. Correct `detail_path`: is it the path of one entry, with `{fields}` "
            f"where the list's {self._key} belongs, and does the API take ids percent-encoded (`/` as %2F)? "
            "If not, leave it out."
        )


def _is_normalised(entry_id: EntryId, key: Key) -> bool:
    """Tells whether a URL with this id is normalised to another path, so that it is never asked for."""
    return any(value in _DOTS for value in key.values(entry_id))


def marks(entry_id: EntryId, key: Key = ID) -> Iterator[tuple[str, str]]:
    """Yields what is special about an id in a URL: a pattern for `bounded` ids, and its name in messages.

    The pattern matches one run of special characters with its neighbours, so that `a//b` and `/a` differ from
    `a/b`. RE2 and Python read it alike.

    Args:
        entry_id: the id.
        key: the fields of the key. Where it has several, a pattern is for the value of one of them.
    """
    for place, value in enumerate(key.values(entry_id)):
        before = rf"^(?:[^\x03]*\x03){{{place}}}[^\x03]*" if key.is_composite else ""
        yield from ((before + mark, label) for mark, label in _marks(str(value)))


def _marks(text: str) -> Iterator[tuple[str, str]]:
    if text in _DOTS:
        yield rf"\x02{re.escape(text)}\x03", text
    if re.search("%[0-9A-Fa-f]{2}", text):
        yield "%[0-9A-Fa-f]{2}", "%25.."
    for run in re.finditer(f"[^{_PLAIN}]+", text):
        before = r"\x02" if run.start() == 0 else f"[{_PLAIN}]"
        behind = r"\x03" if run.end() == len(text) else f"[{_PLAIN}]"
        yield f"{before}{_written(run.group())}{behind}", quote(run.group(), safe="")


def bounded(entry_id: EntryId, key: Key = ID) -> str:
    """Returns the values of an id, each between U+0002 and U+0003, which mark its start and its end."""
    return "".join(f"\x02{value}\x03" for value in key.values(entry_id))


def _marks_of_all(ids: Iterable[EntryId], key: Key) -> Iterator[tuple[str, str]]:
    for entry_id in ids:
        yield from marks(entry_id, key)


def _written(text: str) -> str:
    """Returns a pattern for special characters; all characters beyond ASCII count as the same."""
    codes = "".join(rf"\x{ord(c):02x}" if c.isascii() else "\x80" for c in text)
    return re.sub("\x80+", lambda _: f"{_OTHER}+", codes)
