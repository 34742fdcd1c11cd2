"""What people are told of a directory: the events as data, and their texts.

A notification is plain text. It holds counts, settings, links and our own messages; names of entries only
where the form has `label_field`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Literal

from directory_sync.errors import ConfigError

Level = Literal["info", "success", "warning", "failure"]


@dataclass(frozen=True, kw_only=True)
class Event:
    """One kind of notification.

    Attributes:
        name: the name by which a user chooses it.
        when: when it is sent.
        level: how urgent it is, in the words of Apprise.
        subject: the template of its subject, with the facts of the event in braces.
        body: the templates of its paragraphs; one whose facts are all empty is left out.
        is_default: whether a receiver gets it that chooses no events.
    """

    name: str
    when: str
    level: Level
    subject: str
    body: tuple[str, ...]
    is_default: bool = True


EVENTS = (
    Event(
        name="failed",
        when="a task failed for good; once a run and resource",
        level="failure",
        subject="{dag}: {resource} failed",
        body=("{cause}", "Task: {task}"),
    ),
    Event(
        name="recovered",
        when="the first publication after a failure that was told",
        level="success",
        subject="{dag}: {resource} is published again",
        body=("{headline}", "Runs that failed before: {failures}. The first failed at {since}."),
    ),
    Event(
        name="waits",
        when="removals wait for a person",
        level="warning",
        subject="{dag}: {resource}: {held} removals wait for an answer",
        body=(
            "{question} Everything else of the sync is published.",
            "{reasons}",
            "Answer until {until}. Without an answer nothing is removed.",
            "{advice}",
        ),
    ),
    Event(
        name="answered",
        when="the question about removals was answered, or its time is over",
        level="info",
        subject="{dag}: {resource}: {outcome}",
        body=("{outcome}.", "By: {by}", "Reason: {reason}"),
    ),
    Event(
        name="drift",
        when="fields appeared, vanished or have another type",
        level="warning",
        subject="{dag}: {resource}: the fields have changed",
        body=("{findings}",),
    ),
    Event(
        name="late",
        when="a run has not ended at its deadline (`DIRECTORY_SYNC_DEADLINE_MINUTES`)",
        level="warning",
        subject="{dag}: a run is late",
        body=(
            "It has not ended {minutes} minutes after it was queued; it is {state}. Nothing was cancelled.",
        ),
    ),
    Event(
        name="digest",
        when="a sync or an approved removal changed entries",
        level="info",
        subject="{dag}: {resource}: {joined} joined, {left} left, {changed} changed",
        body=("{headline}", "Joined: {who_joined}", "Left: {who_left}", "Changed: {who_changed}"),
    ),
    Event(
        name="unchanged",
        when="a sync changed nothing",
        level="info",
        subject="{dag}: {resource} has not changed",
        body=("{headline}",),
        is_default=False,
    ),
)
"""All events. The last two paragraphs of each text are its run and a link, see `render`."""

BY_NAME: Mapping[str, Event] = {event.name: event for event in EVENTS}
DEFAULT_EVENTS = tuple(event.name for event in EVENTS if event.is_default)
LAST = ("Run: {run}", "{link}")


@dataclass(frozen=True, kw_only=True)
class Message:
    """The text of one notification. The templates of a notifier have it as `directory`.

    Attributes:
        event: the name of the event.
        level: info, success, warning or failure.
        dag_id: the Dag of the directory.
        resource: the resource; empty where the event is about the whole run.
        run_id: the run.
        link: where to look in Airflow; empty where `[api] base_url` is not set.
        subject: one line.
        body: paragraphs of plain text.
    """

    event: str
    level: Level
    dag_id: str
    resource: str
    run_id: str
    link: str
    subject: str
    body: str

    @property
    def text(self) -> str:
        """Subject and body, for a service that has no subject."""
        return f"{self.subject}\n\n{self.body}"

    @property
    def html(self) -> str:
        """The body as HTML, for mails."""
        return escape(self.body).replace("\n", "<br>\n")


class _Facts(dict[str, str]):
    """The facts of an event; one that is not given is empty."""

    def __missing__(self, name: str) -> str:
        return ""


def render(name: str, facts: Mapping[str, str]) -> Message:
    """Returns the text of an event.

    Args:
        name: the name of the event.
        facts: the values for its templates, with `dag`, `resource`, `run` and `link`. One that is missing is
            empty.
    """
    event, known = BY_NAME[name], _Facts({fact: _calls_nobody(text) for fact, text in facts.items()})
    known["link"] = facts.get("link", "")
    paragraphs = (part for part in (*event.body, *LAST) if _says(part, known))
    return Message(
        event=name,
        level=event.level,
        dag_id=known["dag"],
        resource=known["resource"],
        run_id=known["run"],
        link=known["link"],
        # A line break in a subject would add headers to a mail.
        subject=" ".join(event.subject.format_map(known).split()),
        body="\n\n".join(part.format_map(known) for part in paragraphs),
    )


def _calls_nobody(text: str) -> str:
    """Returns text without what chats read as a call to people, such as `@here`."""
    return text.replace("@", "\uff20")


def _says(template: str, facts: Mapping[str, str]) -> bool:
    """Whether a paragraph has a fact to tell, or none to fill in."""
    empty = template.format_map(_Facts())
    return "{" not in template or template.format_map(facts) != empty


def check_events(events: Iterable[str], *, place: str) -> tuple[str, ...]:
    """Returns the names of events.

    Args:
        events: the names.
        place: what a message calls the place where they stand.

    Raises:
        ConfigError: a name is unknown, or there is none.
    """
    if isinstance(events, str):
        events = (events,)
    names = tuple(events)
    unknown = [name for name in names if name not in BY_NAME]
    if unknown or not names:
        what = f"`{unknown[0]}` is no event" if unknown else "it names no event"
        raise ConfigError(f"{place}: {what}; valid: {', '.join(BY_NAME)}. Nothing was done.")
    return names


def names_of(entries: Sequence[Mapping[str, object]], count: int) -> str:
    """Returns the names of some entries in one line; "" where they have none.

    Args:
        entries: items of `who.json`, each with a `label`; None where the form has no `label_field`.
        count: how many there are in all.
    """
    labels = [_shown(str(entry["label"])) for entry in entries if entry.get("label") is not None]
    if not labels:
        return ""
    more = f", and {count - len(labels):,} more" if count > len(labels) else ""
    return ", ".join(labels) + more


SHOWN_CHARACTERS = 80


def in_one_line(text: str) -> str:
    """Returns text of others without what chats read as a link or a call to all: `<!channel>`, `@here`."""
    line = "".join(c if c.isprintable() else "\ufffd" for c in " ".join(text.split()))
    return _calls_nobody(line.replace("<", "\u2039").replace(">", "\u203a"))


def _shown(label: str) -> str:
    line = in_one_line(label)
    return line if len(line) <= SHOWN_CHARACTERS else f"{line[:SHOWN_CHARACTERS]}…"
