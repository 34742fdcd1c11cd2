"""Who is told what: the stages of a run against a real API, a real SMTP server and a real webhook."""

import json
import logging
import runpy
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.apprise.notifications.apprise import AppriseNotifier
from airflow.providers.smtp.notifications.smtp import SmtpNotifier
from airflow.sdk import DAG, BaseNotifier
from airflow.sdk.exceptions import AirflowSkipException, DownstreamTasksSkipped
from airflow.sdk.execution_time.context import set_current_context

from demo.local_airflow import CHECKOUT
from directory_sync.airflow import bodies
from directory_sync.airflow.deadline import alerts, run_is_late
from directory_sync.airflow.notify import Notify, announce, receivers
from directory_sync.airflow.scope import TaskScope
from directory_sync.airflow.telling import Telling
from directory_sync.audit.report import AuditReport
from directory_sync.config.directory import Directory
from directory_sync.config.events import DEFAULT_EVENTS, EVENTS, Message, render
from directory_sync.config.settings import SyncSettings
from directory_sync.errors import AuthError, ConfigError, SnapshotError
from directory_sync.landing.files import REPORT, WHO
from directory_sync.publish.question import Decision, landed_question
from directory_sync.sync import Sync
from directory_sync.sync.outcome import Outcome
from sandbox.server import SandboxServer
from sandbox.settings import Settings
from tests.dag.test_bodies import context_of
from tests.integration.cycle import SECRET
from tests.receivers import WEBHOOK_SECRET, Mailbox, Webhook, told_by_mail

# A plugin of Apprise imports what Python deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")

RESOURCE = "directory_resource"
ENTRIES = 40
MAIL = SmtpNotifier(to="data@example.org", from_email="airflow@example.org")
CHAT = AppriseNotifier(body="", apprise_conn_id="team_chat")


@pytest.fixture
def mailbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[Mailbox]:
    with Mailbox() as box:
        monkeypatch.setenv("AIRFLOW_CONN_SMTP_DEFAULT", box.connection)
        yield box


@pytest.fixture
def webhook(monkeypatch: pytest.MonkeyPatch) -> Iterator[Webhook]:
    with Webhook() as hook:
        monkeypatch.setenv("AIRFLOW_CONN_TEAM_CHAT", hook.connection)
        yield hook


@pytest.fixture(scope="module")
def running_api() -> Iterator[SandboxServer]:
    with SandboxServer(Settings(entries=ENTRIES)) as server:
        yield server


class Nights:
    """A directory with its receivers, whose tasks run in this process."""

    def __init__(self, home: Path, api: SandboxServer, *, notify: Any = (), **given: Any) -> None:
        self.home, self.api = home, api
        settings, child = given.pop("settings", {}), given.pop("child", None)
        self.directory = Directory(
            form=lambda: form(given, child), settings={"home": home, "shards": 1, **settings}
        )
        self.telling = Telling(self.directory, notify)

    def context(self, run_id: str, task_id: str = "publish", **given: Any) -> dict[str, Any]:
        context = context_of(run_id, given.pop("mode", "sync"), **given)
        context["ti"].task_id = task_id
        context["dag"] = DAG("directory_sync", schedule=None)
        return context

    def publish(self, run_id: str, **given: Any) -> TaskScope:
        """A night up to its publication."""
        context = self.context(run_id, **given)
        with set_current_context(context):
            scope = TaskScope(self.directory, RESOURCE)
            Sync(scope).extract()
            bodies.audit(scope)
            with suppress(AirflowSkipException, DownstreamTasksSkipped):
                bodies.publish(scope, {}, tell=self.telling.published)
        return scope

    def end(self, run_id: str, resource: str) -> None:
        """What a publication that changed nothing tells; its report is not looked at."""
        with set_current_context(self.context(run_id)):
            scope = TaskScope(self.directory, resource)
            self.telling.published(scope, Outcome(sync_ids=("a sync",), note="replayed"))

    def fail(self, run_id: str, error: object, *, task_id: str = "audit", **given: Any) -> None:
        """What Airflow calls after the last try of a task."""
        context = self.context(run_id, task_id)
        context["dag_run"].start_date = given.get("began_at", datetime(2026, 11, 26, 3, tzinfo=UTC))
        self.telling.failed({**context, "exception": error})


def form(resource: Mapping[str, Any], child: str | None) -> dict[str, Any]:
    endpoint = {
        "path": "/v1/directory",
        "data_selector": "data",
        "paginator": {"type": "offset", "limit": 100},
    }
    members = {"name": child, "endpoint": {**endpoint, "path": f"{{resources.{RESOURCE}.id}}/members"}}
    return {
        "client": {"base_url": "https://api.example.com", "auth": {"type": "oauth2"}},
        "resources": [
            {"name": RESOURCE, "primary_key": "id", "endpoint": endpoint, **resource},
            *([members] if child else []),
        ],
    }


@pytest.fixture
def api(running_api: SandboxServer, monkeypatch: pytest.MonkeyPatch) -> SandboxServer:
    running_api.reset()
    connection = {"conn_type": "directory_api", "host": running_api.url, "login": "sandbox-client"}
    monkeypatch.setenv("AIRFLOW_CONN_DIRECTORY_API", json.dumps({**connection, "password": SECRET}))
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "https://airflow.example.org/")
    return running_api


def test_a_publication_is_told_by_mail_with_its_counts_and_a_link_and_an_unchanged_night_to_whom_wants_it(
    api: SandboxServer, mailbox: Mailbox, webhook: Webhook, tmp_path: Path
) -> None:
    nights = Nights(tmp_path, api, notify=[MAIL, Notify(CHAT, events=("unchanged",))])
    nights.publish("one")
    nights.publish("two")
    assert mailbox.subjects == [f"directory_sync: {RESOURCE}: {ENTRIES} joined, 0 left, 0 changed"]
    assert mailbox.mails[0]["To"] == "data@example.org"
    assert f"{ENTRIES} entries: +{ENTRIES} ~0 −0" in mailbox.body(0)
    assert "Run: one" in mailbox.body(0)
    assert "https://airflow.example.org/dags/directory_sync/runs/one" in mailbox.body(0)
    assert "Joined" not in mailbox.body(0)
    assert webhook.titles == [f"directory_sync: {RESOURCE} has not changed"]


def test_a_digest_names_entries_only_where_the_form_has_a_label(
    api: SandboxServer, webhook: Webhook, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    nights = Nights(tmp_path, api, notify=[CHAT], label_field="name")
    nights.publish("one")
    edits = api.directory.edit(2, 1, remove=1, seed=3)
    named = {id_: api.directory.get(id_)["name"] for id_ in (*edits.added, *edits.changed)}
    nights.publish("two")
    told = webhook.posted[-1]
    assert told["title"] == f"directory_sync: {RESOURCE}: 2 joined, 1 left, 1 changed"
    joined = ", ".join(named[id_] for id_ in sorted(edits.added))
    assert f"Joined: {joined}\n" in told["message"]
    assert f"Changed: {named[edits.changed[0]]}" in told["message"]
    # The webhook itself and the API stand in this process too.
    logged = [record.getMessage() for record in caplog.records if record.name.split(".")[0] != "mail"]
    assert not [line for line in logged if any(name in line for name in named.values())]
    first = webhook.posted[0]["message"]
    assert f", and {ENTRIES - 10} more" in first


def test_changed_fields_are_told_with_their_columns(
    api: SandboxServer, webhook: Webhook, tmp_path: Path
) -> None:
    nights = Nights(tmp_path, api, notify=[Notify(CHAT, events=("drift",))], label_field="no_such_field")
    scope = nights.publish("one")
    drift = webhook.posted[0]
    assert (drift["title"], drift["type"]) == (
        f"directory_sync: {RESOURCE}: the fields have changed",
        "warning",
    )
    assert "`no_such_field`, of `label_field`" in drift["message"]
    report = scope.landed.read_json(REPORT) or {}
    changed = {"new_columns": {"eMail": "e_mail"}, "null_columns": {"fax": "fax"}}
    with set_current_context(nights.context("two")):
        outcome = Outcome(report=AuditReport.from_json({**report, **changed}), sync_ids=("a sync",))
        nights.telling.published(scope, outcome)
    assert "New column: `e_mail`.\nThe column `fax` is NULL from now on." in webhook.posted[1]["message"]


def test_a_failure_is_told_once_a_run_and_again_by_a_run_that_was_cleared(
    api: SandboxServer, webhook: Webhook, tmp_path: Path
) -> None:
    nights = Nights(tmp_path, api, notify=[CHAT])
    error = RuntimeError("of dlt, which may quote an entry")
    error.__cause__ = AuthError("The API answered 403 at /v1/directory. Check the connection.")
    for shard in range(4):
        nights.fail("one", error, task_id=f"extract.directory_shard_{shard}-4")
    [told] = webhook.posted
    assert (told["title"], told["type"]) == (f"directory_sync: {RESOURCE} failed", "failure")
    assert told["message"].startswith(
        "AuthError: The API answered 403 at /v1/directory. Check the connection.\n\n"
        "Task: extract.directory_shard_0-4"
    )
    assert "may quote an entry" not in told["message"]
    nights.fail("one", error, began_at=datetime(2026, 11, 26, 9, tzinfo=UTC))
    assert len(webhook.posted) == 2


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ValueError("quotes an entry"), "ValueError: see the task's log."),
        (None, "The task ended without an error of its own: it was killed, or somebody marked it as failed."),
    ],
)
def test_a_failure_of_others_is_told_without_its_text(
    api: SandboxServer, webhook: Webhook, tmp_path: Path, error: object, said: str
) -> None:
    Nights(tmp_path, api, notify=[CHAT]).fail("one", error)
    assert webhook.posted[0]["message"].startswith(f"{said}\n")


def test_the_first_publication_after_failures_tells_that_they_are_over_once(
    api: SandboxServer, webhook: Webhook, tmp_path: Path
) -> None:
    nights = Nights(tmp_path, api, notify=[Notify(CHAT, events=("failed", "recovered"))])
    nights.fail("one", SnapshotError("not sealed"))
    nights.fail("two", SnapshotError("not sealed"))
    scope = nights.publish("three")
    nights.telling.published(scope, Outcome(sync_ids=("four",), note="replayed"))
    assert webhook.titles == [
        *[f"directory_sync: {RESOURCE} failed"] * 2,
        f"directory_sync: {RESOURCE} is published again",
    ]
    assert "Runs that failed before: 2. The first failed at 20" in webhook.posted[-1]["message"]


def test_a_run_tells_of_each_resource_that_failed_in_it(
    api: SandboxServer, webhook: Webhook, tmp_path: Path
) -> None:
    nights = Nights(tmp_path, api, notify=[CHAT], child="members")
    for task_id in ("audit", "members.audit", "members.publish"):
        nights.fail("one", SnapshotError("not sealed"), task_id=task_id)
    assert webhook.titles == [f"directory_sync: {one} failed" for one in (RESOURCE, "members")]
    nights.end("two", "members")
    assert webhook.titles[2:] == ["directory_sync: members is published again"]


@pytest.mark.parametrize("damaged", ["told", "who"])
def test_a_damaged_file_costs_only_what_it_holds(
    api: SandboxServer, webhook: Webhook, tmp_path: Path, caplog: pytest.LogCaptureFixture, damaged: str
) -> None:
    nights = Nights(tmp_path, api, notify=[CHAT], label_field="name")
    nights.fail("zero", SnapshotError("not sealed"))
    context = nights.context("one")
    with set_current_context(context):
        scope = TaskScope(nights.directory, RESOURCE)
        Sync(scope).extract()
        bodies.audit(scope)
    [file] = tmp_path.rglob(".told/*/*.json" if damaged == "told" else WHO)
    file.write_text("no JSON")
    with set_current_context(context), suppress(AirflowSkipException, DownstreamTasksSkipped):
        bodies.publish(scope, {}, tell=nights.telling.published)
    assert f"directory_sync: {RESOURCE}: {ENTRIES} joined, 0 left, 0 changed" in webhook.titles
    assert len([title for title in webhook.titles if "published again" in title]) == (damaged == "who")
    assert ("Joined:" in webhook.posted[-1]["message"]) == (damaged == "told")
    assert (
        len([record for record in caplog.records if "The sync is not affected" in record.getMessage()]) == 1
    )


def test_a_failure_is_over_only_when_its_own_directory_and_resource_are_published(
    api: SandboxServer, webhook: Webhook, tmp_path: Path
) -> None:
    others = Nights(tmp_path, api, notify=[CHAT], settings={"dataset": "others"})
    ours = Nights(tmp_path, api, notify=[CHAT], child="members")
    for nights in (others, ours):
        nights.fail("one", SnapshotError("not sealed"), task_id="members.audit")
    assert webhook.titles == [f"directory_sync: {one} failed" for one in (RESOURCE, "members")]
    ours.end("two", RESOURCE)
    assert len(webhook.titles) == 2
    ours.end("two", "members")
    assert webhook.titles[2:] == ["directory_sync: members is published again"]
    others.end("two", RESOURCE)
    assert webhook.titles[3:] == [f"directory_sync: {RESOURCE} is published again"]


def test_removals_that_wait_are_told_with_their_deadline_and_the_answer_with_its_reason(
    api: SandboxServer, mailbox: Mailbox, tmp_path: Path
) -> None:
    nights = Nights(tmp_path, api, notify=[Notify(MAIL, events=("waits", "answered"))])
    nights.publish("one")
    api.directory.edit(0, 0, remove=20, seed=2)
    scope = nights.publish("two")
    question = landed_question(scope.landed)
    assert question is not None
    scope.context["ti"].task_id = "approve_removals"
    until = datetime(2026, 11, 27, 4, 30, tzinfo=UTC)
    nights.telling.waiting(scope, question, until)(scope.context)
    decision = Decision(
        digest=question.digest,
        sync_id=question.sync_id,
        choice="rejected",
        reason="a permission was lost",
        by="vera",
    )
    nights.telling.answered(scope, question, decision)
    assert mailbox.subjects == [
        f"directory_sync: {RESOURCE}: 20 removals wait for an answer",
        f"directory_sync: {RESOURCE}: the removal of 20 entries was rejected; nothing was removed",
    ]
    asked, answered = mailbox.body(0), mailbox.body(1)
    assert f"Remove 20 of {ENTRIES} entries from {RESOURCE}?" in asked
    assert "Answer until 2026-11-27 04:30 UTC. Without an answer nothing is removed." in asked
    assert "/dags/directory_sync/runs/two/tasks/approve_removals/required_actions" in asked
    assert "By: vera" in answered
    assert "Reason: a permission was lost" in answered


def test_a_late_run_is_told_by_a_process_that_has_no_dag_file(
    api: SandboxServer, mailbox: Mailbox, webhook: Webhook
) -> None:
    settings = SyncSettings(home=Path("/home"), deadline_minutes=90, notify="team_chat")
    [alert] = alerts(settings, told=receivers(settings, [MAIL]))["deadline"]
    stored = json.loads(json.dumps(alert.callback.serialize()["kwargs"]))
    run = {"dag_id": "directory_sync", "dag_run_id": "one", "state": "running"}
    run_is_late(context={"dag_run": run}, **stored)
    assert mailbox.subjects == webhook.titles == ["directory_sync: a run is late"]
    assert "It has not ended 90 minutes after it was queued; it is running." in mailbox.body(0)
    assert "https://airflow.example.org/dags/directory_sync/runs/one" in mailbox.body(0)


def test_a_mail_that_cannot_be_sent_fails_nothing_and_is_logged(
    api: SandboxServer, mailbox: Mailbox, webhook: Webhook, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    mailbox.stop()
    scope = Nights(tmp_path, api, notify=[MAIL, CHAT]).publish("one")
    assert scope.landed.published()
    [error] = [record for record in caplog.records if record.levelname == "ERROR"]
    assert error.getMessage() == (
        "The notification `digest` was not sent by SmtpNotifier: ConnectionRefusedError (Connection refused)."
        " The sync is not affected; see docs/notifications.md#what-cannot-be-sent."
    )
    assert len(webhook.posted) == 1


@pytest.mark.parametrize(
    ("connection", "said"),
    [
        (None, "must be a connection of the type `apprise`"),
        ({"conn_type": "http", "host": "x"}, "must be a connection of the type `apprise`"),
        (
            {"conn_type": "apprise", "extra": {"config": {"path": "json://u:%s@127.0.0.1:9/"}}},
            "has not taken it",
        ),
        ({"conn_type": "apprise", "extra": {"config": {"path": "nothing://u:%s@h/"}}}, "none of Apprise's"),
    ],
    ids=["missing", "another type", "nobody listens", "no service"],
)
def test_a_connection_that_tells_nobody_is_logged_without_its_secrets(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    connection: dict[str, Any] | None,
    said: str,
) -> None:
    if connection:
        monkeypatch.setenv("AIRFLOW_CONN_TEAM_CHAT", json.dumps(connection).replace("%s", WEBHOOK_SECRET))
    settings = SyncSettings(home=Path("/home"), notify="team_chat")
    announce(receivers(settings), render("late", {"dag": "d"}), {})
    [line] = [record.getMessage() for record in caplog.records if "was not sent by" in record.getMessage()]
    assert line.startswith("The notification `late` was not sent by the connection `team_chat`: ")
    assert said in line
    assert WEBHOOK_SECRET not in caplog.text


class Failing(BaseNotifier):
    """A notifier whose error quotes the address that it was given."""

    template_fields = ("message",)

    def __init__(self, message: str = "a text of its own") -> None:
        super().__init__()
        self.message = message

    def notify(self, context: Any) -> None:
        raise ValueError(f"https://hooks.example.org/{WEBHOOK_SECRET} has not taken {self.message}")


def test_the_readmes_line_makes_a_dag_that_airflow_can_store_with_whom_to_tell_of_a_late_run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from airflow.serialization.serialized_objects import DagSerialization

    monkeypatch.setenv("DIRECTORY_SYNC_DEADLINE_MINUTES", "90")
    file = tmp_path / "partners_dag.py"
    file.write_text(told_by_mail((CHECKOUT / "docs/examples/partners_dag.py").read_text(encoding="utf-8")))
    dag = runpy.run_path(str(file))["dag"]
    stored = json.dumps(DagSerialization.to_dict(dag))
    assert '"class": "airflow.providers.smtp.notifications.smtp.SmtpNotifier"' in stored.replace("\\", "")
    assert all(len(task.on_failure_callback) == 2 for task in dag.tasks if task.task_id != "extract")


def test_an_error_that_quotes_a_secret_is_logged_by_its_class(caplog: pytest.LogCaptureFixture) -> None:
    announce(receivers(SyncSettings(home=Path("/home")), [Failing()]), render("late", {"dag": "d"}), {})
    assert "was not sent by Failing: ValueError. The sync is not affected" in caplog.text
    assert WEBHOOK_SECRET not in caplog.text


class Chat(BaseNotifier):
    """A notifier like Slack's: its text has a default of its own."""

    template_fields = ("text", "channel")

    def __init__(self, text: str = "This is a default message", channel: str = "#general") -> None:
        super().__init__()
        self.text, self.channel, self.sent = text, channel, []

    def notify(self, context: Any) -> None:
        self.sent.append((self.text, self.channel))


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({}, "d: a run is late\n\nIt has"),
        ({"text": "{{ directory.event }} of {{ directory.dag_id }}"}, "late of d"),
    ],
)
def test_a_text_that_a_notifier_leaves_at_its_default_is_ours(given: dict[str, str], text: str) -> None:
    chat = Chat(**given)
    announce(
        receivers(SyncSettings(home=Path("/home")), [chat]),
        render("late", {"dag": "d", "minutes": "90", "state": "running"}),
        {},
    )
    [(sent, channel)] = chat.sent
    assert sent.startswith(text)
    assert channel == "#general"
    assert chat.text == given.get("text", "This is a default message")


def test_text_of_the_api_is_no_template() -> None:
    chat = Chat()
    facts = {"dag": "d", "cause": "the field `{{ 7 * 7 }}` {dag}"}
    announce(receivers(SyncSettings(home=Path("/home")), [chat]), render("failed", facts), {})
    assert "the field `{{ 7 * 7 }}` {dag}" in chat.sent[0][0]


@pytest.mark.parametrize("wrong", [SmtpNotifier, print, "team_chat"])
def test_what_is_no_notifier_is_refused_at_parse(wrong: Any) -> None:
    with pytest.raises(ConfigError, match="`notify` takes notifiers of Airflow's providers; got "):
        receivers(SyncSettings(home=Path("/home")), [wrong])


def test_an_unknown_event_is_refused_at_parse(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="`fails` is no event; valid: failed, recovered, waits"):
        Notify(MAIL, events=("fails",))
    with pytest.raises(ConfigError, match="NOTIFY_EVENTS: `fails` is no event"):
        SyncSettings(home=Path("/home"), notify="team_chat", notify_events=("fails",))
    with pytest.raises(ConfigError, match="NOTIFY_EVENTS is set without DIRECTORY_SYNC_NOTIFY"):
        SyncSettings(home=Path("/home"), notify_events=("failed",))


def test_the_switch_without_the_provider_is_refused_at_parse(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "airflow.providers.apprise", None)
    with pytest.raises(ConfigError, match="the provider of Apprise is not installed"):
        receivers(SyncSettings(home=Path("/home"), notify="team_chat"))


def test_a_label_calls_nobody_in_a_chat_and_adds_no_header_to_a_mail() -> None:
    from directory_sync.config.events import names_of

    assert names_of([{"label": "<!channel>\r\nBcc: x"}], 1) == "\u2039!channel\u203a Bcc: x"
    told = render("failed", {"dag": "d", "resource": "r\r\nBcc: x@example.org"})
    assert told.subject == "d: r Bcc: x\uff20example.org failed"


@pytest.mark.parametrize("call", ["@everyone", "@here", "@channel", "@all", "<@U024BE7LH>", "<!here>"])
def test_no_text_of_others_calls_people_in_a_chat(tmp_path: Path, call: str) -> None:
    from directory_sync.config.events import names_of

    assert "@" not in (named := names_of([{"label": call}], 1))
    assert "<" not in named
    assert "@" not in render("drift", {"dag": "d", "findings": f"The field `{call}` is new."}).text
    chat = Chat()
    scope: Any = SimpleNamespace(context={"dag": DAG("d", schedule=None), "run_id": "one"})
    question: Any = SimpleNamespace(resource=RESOURCE, held=20)
    decision = Decision(digest="", sync_id="", choice="rejected", reason=f"ask {call}", by=call)
    directory = Directory(form=lambda: form({}, None), settings={"home": tmp_path})
    Telling(directory, [chat]).answered(scope, question, decision)
    [(sent, _)] = chat.sent
    assert "Reason: ask " in sent
    assert "@" not in sent
    assert "<" not in sent


def test_a_link_is_sent_as_it_is() -> None:
    link = "https://airflow.example.org/dags/d/runs/a@b"
    assert render("late", {"dag": "d", "link": link}).body.endswith(link)


@pytest.mark.parametrize("event", EVENTS, ids=[event.name for event in EVENTS])
def test_every_event_has_a_text_without_facts_that_are_missing(event: Any) -> None:
    message = render(event.name, {"dag": "d", "run": "one"})
    assert isinstance(message, Message)
    assert message.subject.startswith("d: ")
    assert message.body.endswith("Run: one")
    assert "{" not in message.text
    assert (event.name in DEFAULT_EVENTS) == (event.name != "unchanged")
