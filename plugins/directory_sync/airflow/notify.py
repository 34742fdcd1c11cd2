"""Sends notifications, by the notifiers of the Dag file and by the connection that a switch names.

`directory_dag(..., notify=[...])` takes notifiers of Airflow's providers. `DIRECTORY_SYNC_NOTIFY` names an
Apprise connection, so no code is needed. `announce` is the one place that sends: it never raises.
"""

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from inspect import Parameter, signature
from threading import Lock
from typing import Any, Protocol
from urllib.parse import quote

from airflow.configuration import conf
from airflow.sdk import BaseNotifier
from airflow.sdk.log import mask_secret

from directory_sync.airflow.compat import AirflowNotFoundException, BaseHook
from directory_sync.config.events import DEFAULT_EVENTS, Message, check_events
from directory_sync.config.given import ENVIRONMENT_PREFIX
from directory_sync.config.settings import SyncSettings
from directory_sync.errors import ConfigError, DirectorySyncError

logger = logging.getLogger(__name__)

SWITCH = f"{ENVIRONMENT_PREFIX}NOTIFY"
PROVIDER = "airflow.providers.apprise"
SUBJECTS = ("subject", "title")
"""The fields of notifiers that hold a subject."""
TEXTS = ("body", "text", "message", "message_body", "content")
"""The fields that hold a text."""
SECRET_WORDS = frozenset({"key", "token", "password", "secret", "url", "webhook"})
"""The words in the names of arguments that may hold a secret."""
OTHERS = {"html_content": "{{ directory.html }}", "summary": "{{ directory.subject }}"}


class Receiver(Protocol):
    """Who is told, and of what."""

    @property
    def events(self) -> tuple[str, ...]:
        """The names of the events."""

    @property
    def name(self) -> str:
        """What a log calls it."""

    def send(self, message: Message, context: Mapping[str, Any]) -> None:
        """Sends a message, or raises what went wrong."""

    def packed(self) -> dict[str, Any] | None:
        """Returns it as JSON values for `unpacked`; None: it cannot be."""


@dataclass(frozen=True)
class Notify:
    """A notifier of the Dag file, with the events that it gets.

    Attributes:
        notifier: the notifier. Its templates have the text as `directory`, see `Message`. A text field that
            is empty, or at the default of its class, gets our text.
        events: the names of the events; default: all but `unchanged`.
    """

    notifier: BaseNotifier
    events: tuple[str, ...] = DEFAULT_EVENTS

    def __post_init__(self) -> None:
        """Validates the values.

        Raises:
            ConfigError: it is no notifier of Airflow's, or an event is unknown.
        """
        if not isinstance(self.notifier, BaseNotifier):
            raise ConfigError(
                f"`notify` takes notifiers of Airflow's providers; got {type(self.notifier).__name__}. Give "
                "an object such as SmtpNotifier(to=...), not its class or a function."
            )
        object.__setattr__(self, "events", check_events(self.events, place="`events` of Notify"))

    @property
    def name(self) -> str:
        """The class of the notifier."""
        return type(self.notifier).__name__

    def send(self, message: Message, context: Mapping[str, Any]) -> None:
        """Renders a copy of the notifier and sends it; its `__call__` would log what an error says."""
        ready = filled(self.notifier, message)
        fields = {field: getattr(ready, field) for field in ready.template_fields}
        # Airflow 3.0 looks for the Dag, which a deadline's context has not.
        known: Any = {"dag": None, **context, **fields, "directory": message}
        ready.render_template_fields(known)
        ready.notify(known)

    def packed(self) -> dict[str, Any] | None:
        """Returns the class and its arguments, as a process without the Dag file needs them.

        They stand in the serialized Dag: one that may be a secret by its name is not stored.
        """
        kind = type(self.notifier)
        arguments = {
            name: getattr(self.notifier, name)
            for name, parameter in _arguments(kind).items()
            if getattr(self.notifier, name, parameter.default) != parameter.default
        }
        needed = {name for name, one in _arguments(kind).items() if one.default is Parameter.empty}
        if any(_is_secret(name) for name in arguments):
            return None
        if needed - arguments.keys() or kind.__module__.startswith("unusual_prefix_"):
            return None
        try:
            arguments = json.loads(json.dumps(arguments))
        except TypeError:
            return None
        return {"class": f"{kind.__module__}.{kind.__qualname__}", "arguments": arguments}


@dataclass(frozen=True)
class AppriseConnection:
    """The Apprise connection that the switch names.

    Attributes:
        conn_id: the id of the connection.
        events: the names of the events.
    """

    conn_id: str
    events: tuple[str, ...] = DEFAULT_EVENTS

    @property
    def name(self) -> str:
        """The connection."""
        return f"the connection `{self.conn_id}`"

    def send(self, message: Message, context: Mapping[str, Any]) -> None:  # noqa: ARG002
        """Sends a message to all services of the connection.

        Raises:
            ConfigError: the connection is missing or names no service, or a service has not taken it.
        """
        check_provider()
        from airflow.providers.apprise.hooks.apprise import AppriseHook
        from apprise import Apprise, NotifyFormat, NotifyType

        try:
            connection = BaseHook.get_connection(self.conn_id)
        except AirflowNotFoundException:
            connection = None
        given: Any = connection.extra_dejson.get("config") if connection else None
        if connection is None or connection.conn_type != "apprise" or not given:
            raise ConfigError(
                f"{SWITCH} is `{self.conn_id}`, which must be a connection of the type `apprise` with a "
                '`config` in its extra, such as {"config": {"path": "mailtos://..."}}.'
            )
        services = Apprise()
        for one in _services(given):
            mask_secret(one)
        AppriseHook(self.conn_id).set_config_from_conn(connection, services)
        told = bool(services) and services.notify(
            body=message.body,
            title=message.subject,
            notify_type=NotifyType(message.level),
            body_format=NotifyFormat.TEXT,
        )
        if not told:
            raise ConfigError(
                f"a service of the connection `{self.conn_id}` has not taken it, or its URL is none of "
                "Apprise's; the line of Apprise above says why"
            )

    def packed(self) -> dict[str, Any]:
        """Returns the id of the connection."""
        return {"connection": self.conn_id}


def receivers(settings: SyncSettings, notify: Sequence[BaseNotifier | Notify] = ()) -> tuple[Receiver, ...]:
    """Returns who is told; reads no connection.

    Args:
        settings: the directory's switches.
        notify: the notifiers of the Dag file.

    Raises:
        ConfigError: one is no notifier, an event is unknown, or the switch is set without the provider.
    """
    found: list[Receiver] = [one if isinstance(one, Notify) else Notify(one) for one in notify]
    if settings.notify:
        check_provider()
        found.append(AppriseConnection(settings.notify, settings.notify_events or DEFAULT_EVENTS))
    return tuple(found)


def check_provider() -> None:
    """Checks that the provider of Apprise is installed.

    Raises:
        ConfigError: it is not.
    """
    if find_spec(PROVIDER) is None:
        raise ConfigError(
            f"{SWITCH} is set, but the provider of Apprise is not installed. Nothing was done. Install "
            "`apache-airflow-providers-apprise` where Airflow runs, or unset it."
        )


def announce(told: Sequence[Receiver], message: Message, context: Mapping[str, Any]) -> None:
    """Sends a message to each receiver that wants it; what cannot be sent is logged, never raised.

    Args:
        told: the receivers.
        message: the text.
        context: Airflow's context, for the templates of the notifiers.
    """
    for receiver in told:
        if message.event not in receiver.events:
            continue
        with never_fails(f"The notification `{message.event}` was not sent by {receiver.name}"):
            with _hushed():
                receiver.send(message, context)
            logger.info("The notification `%s` was sent by %s.", message.event, receiver.name)


class _Hush:
    """Logs only warnings in its block: Apprise logs the text, with names, and HTTP clients log URLs.

    The level holds for the whole process, and the triggerer sends in several threads. So the first block
    that begins sets it, and the last one that ends puts back what was there.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._blocks, self._before = 0, logging.NOTSET

    @contextmanager
    def __call__(self) -> Iterator[None]:
        with self._lock:
            if not self._blocks:
                self._before = logging.root.manager.disable
                logging.disable(max(self._before, logging.INFO))
            self._blocks += 1
        try:
            yield
        finally:
            with self._lock:
                self._blocks -= 1
                if not self._blocks:
                    logging.disable(self._before)


_hushed = _Hush()


@contextmanager
def never_fails(what: str) -> Iterator[None]:
    """Logs an error of its block, and goes on: a notification must not fail a sync.

    Args:
        what: what has not happened, as the beginning of the log's line.
    """
    try:
        yield
    except Exception as error:  # noqa: BLE001  whatever a notifier raises
        # Without a traceback, which may quote a URL with its secrets, or an entry.
        logger.error(  # noqa: TRY400
            "%s: %s. The sync is not affected; see docs/notifications.md#what-cannot-be-sent.",
            what,
            said_of(error),
        )


def link_to(dag_id: str, run_id: str, page: str = "") -> str:
    """Returns the address of a run in Airflow; "" where `[api] base_url` is not set."""
    base = (conf.get("api", "base_url", fallback="") or "").rstrip("/")
    return f"{base}/dags/{quote(dag_id)}/runs/{quote(run_id)}{page}" if base else ""


def said_of(error: BaseException) -> str:
    """Returns what a log may say of an error: the text of other packages may quote a URL or an entry."""
    if isinstance(error, DirectorySyncError):
        return str(error).rstrip(".")
    reason = getattr(error, "strerror", None) if isinstance(error, OSError) else None
    return type(error).__name__ + (f" ({reason})" if isinstance(reason, str) else "")


def filled(notifier: BaseNotifier, message: Message) -> BaseNotifier:
    """Returns a copy of a notifier whose empty text fields are templates of our text.

    A field is empty if it is not set, or has the default of its class: Slack's is a text of its own.

    Args:
        notifier: the notifier, as the Dag file has it.
        message: the text, for its level.
    """
    ready, fields = copy(notifier), set(notifier.template_fields)
    text = "{{ directory.body }}" if fields & set(SUBJECTS) else "{{ directory.text }}"
    ours = {**dict.fromkeys(SUBJECTS, "{{ directory.subject }}"), **dict.fromkeys(TEXTS, text), **OTHERS}
    defaults = {name: one.default for name, one in _arguments(type(notifier)).items()}
    for field in fields & ours.keys():
        if getattr(ready, field) in (None, "", defaults.get(field)):
            setattr(ready, field, ours[field])
    # Apprise's notifier has the urgency in a field of its own.
    kind = getattr(ready, "notify_type", None)
    if kind is not None and kind == defaults.get("notify_type"):
        vars(ready)["notify_type"] = type(kind)(message.level)
    return ready


def unpacked(content: Mapping[str, Any], events: tuple[str, ...]) -> Receiver:
    """Returns a receiver that `packed` made JSON values of.

    Args:
        content: the values.
        events: the names of the events that it gets.
    """
    if "connection" in content:
        return AppriseConnection(content["connection"], events)
    module, _, name = content["class"].rpartition(".")
    notifier: BaseNotifier = getattr(import_module(module), name)(**content["arguments"])
    return Notify(notifier, events)


def _arguments(kind: type) -> dict[str, Parameter]:
    """Returns the named arguments of a notifier's class, without `self`."""
    named = (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)
    return {name: one for name, one in signature(kind).parameters.items() if one.kind in named}


def _is_secret(argument: str) -> bool:
    """Whether an argument may hold a secret, by its name; the id of a connection holds none."""
    return not argument.endswith("conn_id") and not SECRET_WORDS.isdisjoint(argument.lower().split("_"))


def _services(given: Any) -> list[str]:
    """Returns the URLs of a connection's services, which hold their secrets."""
    config = json.loads(given) if isinstance(given, str) else given
    listed = config if isinstance(config, list) else [config]
    return [str(one["path"]) for one in listed if isinstance(one, dict) and one.get("path")]
