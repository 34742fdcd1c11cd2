"""The decision on held removals where Airflow cannot ask a person, as in 3.0: a run brings the answer."""

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import DAG, BaseNotifier
from airflow.sdk.exceptions import AirflowSkipException
from airflow.sdk.execution_time.context import set_current_context

from directory_sync.airflow.decision import SHOWN_DIGITS, RemovalDecision
from directory_sync.airflow.retry import NOTE
from directory_sync.airflow.scope import TaskScope
from directory_sync.airflow.telling import Telling
from directory_sync.dag import Directory
from directory_sync.errors import ConfigError, RemovalsHeld
from directory_sync.landing.files import QUESTION
from directory_sync.publish.question import landed_decision, landed_question
from tests.dag.test_bodies import RESOURCE, context_of
from tests.dag_file import directory as the_form
from tests.unit.publish.test_question import question as a_question

DIGEST = ("d" * 64)[:SHOWN_DIGITS]


class Run:
    """A run whose removals are held, and its task `approve_removals`."""

    def __init__(self, home: Path, form: Callable[[], Any] = the_form, notify: Any = ()) -> None:
        self._notify = notify
        self._directory = Directory(form=form, settings={"home": home})
        self.told: dict[str, Any] = {}

    def ask(self, sample: tuple[str, str] = ("1", "")) -> None:
        question = asdict(a_question(sample))
        self._in_task({}, lambda scope: scope.landed.write_json(QUESTION, question))

    def decide(self, *, user: str | None = None, approvers: tuple[str, ...] = (), **params: Any) -> None:
        """Runs the task.

        Args:
            user: who triggered the run; None: this Airflow does not record it.
            approvers: who may decide.
            params: the parameters of the run.
        """
        task = RemovalDecision(
            task_id="approve_removals",
            directory=self._directory,
            resource_name=RESOURCE,
            telling=Telling(self._directory, self._notify),
            approvers=approvers,
        )
        self._in_task(params, lambda _: task.execute(self._context), user=user)

    def decision(self) -> tuple[str, str, str] | None:
        found: list[Any] = []

        def look(scope: TaskScope) -> None:
            question = landed_question(scope.landed)
            assert question is not None
            found.append(landed_decision(scope.landed, question))

        self._in_task({}, look)
        return found[0] and (found[0].choice, found[0].reason, found[0].by)

    def _in_task(self, params: dict[str, Any], body: Callable[[TaskScope], Any], *, user: Any = None) -> None:
        self._context = context_of("now", "decide", **params)
        if user is not None:
            self._context["dag_run"] = SimpleNamespace(triggering_user_name=user)
        # Notifiers render their templates with it.
        self._context["dag"] = DAG("directory_sync", schedule=None)
        self.told = self._context["ti"].told
        with set_current_context(self._context):
            body(TaskScope(self._directory, RESOURCE))


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    connection = {"conn_type": "directory_api", "host": "http://127.0.0.1:9", "login": "a", "password": "b"}
    monkeypatch.setenv("AIRFLOW_CONN_DIRECTORY_API", json.dumps(connection))
    held = Run(tmp_path)
    held.ask()
    return held


def test_a_run_without_an_answer_says_what_waits_and_how_to_answer(run):
    with pytest.raises(AirflowSkipException, match=r"Nothing was removed"):
        run.decide()
    assert run.told[NOTE] == (
        f"people: 1 entries wait for a decision, digest `{DIGEST}`. To decide, trigger mode `decide` with an "
        "answer and this digest"
    )
    assert run.decision() is None


class Chat(BaseNotifier):
    """A notifier that keeps what it sends."""

    template_fields = ("title", "body")

    def __init__(self, title: str = "", body: str = "") -> None:
        super().__init__()
        self.title, self.body, self.sent = title, body, []

    def notify(self, context: Any) -> None:
        self.sent.append((self.title, self.body))


def test_who_is_told_hears_how_to_answer_and_the_answer(tmp_path, run):
    chat = Chat()
    run = Run(tmp_path, notify=[chat])
    with pytest.raises(AirflowSkipException):
        run.decide()
    run.decide(answer="approve", held_digest=DIGEST, reason="they left", user="vera")
    [(asks, how), (answered, by)] = chat.sent
    assert asks == "directory_sync: people: 1 removals wait for an answer"
    assert "To decide, trigger mode `decide` with an answer and the digest" in how
    assert "Answer until" not in how
    assert answered == "directory_sync: people: the removal of 1 entries was approved"
    assert "By: vera\n\nReason: they left" in by


def test_an_approval_is_landed_for_the_removal_with_who_and_why(run):
    run.decide(answer="approve", held_digest=DIGEST, reason="they left", user="vera")
    assert NOTE not in run.told
    assert run.decision() == ("approved", "they left", "vera")


def test_a_rejection_is_landed_and_skips_the_removal(run):
    with pytest.raises(AirflowSkipException, match="rejected"):
        run.decide(answer="reject", held_digest=DIGEST, reason="a permission was lost")
    assert "was rejected; nothing was removed (a permission was lost)" in run.told[NOTE]
    assert run.decision() == ("rejected", "a permission was lost", "")


@pytest.mark.parametrize("given", [None, "", "d", "e" * SHOWN_DIGITS, "d" * SHOWN_DIGITS + "e", " "])
@pytest.mark.parametrize("answer", ["approve", "reject"])
def test_an_answer_about_other_entries_decides_nothing(run, given, answer):
    with pytest.raises(RemovalsHeld, match=rf"have `{DIGEST}`\. Nothing was removed"):
        run.decide(answer=answer, held_digest=given)
    assert run.decision() is None


def test_an_answer_for_another_resource_of_the_directory_fails_nothing(tmp_path, run):
    def two():
        form = the_form()
        form["resources"].append({**form["resources"][0], "name": "others"})
        return form

    run = Run(tmp_path, two)
    with pytest.raises(AirflowSkipException, match="not for these"):
        run.decide(answer="approve", held_digest="e" * SHOWN_DIGITS)
    assert f"wait for a decision, digest `{DIGEST}`; the answer was not for these" in run.told[NOTE]
    assert run.decision() is None


def test_the_whole_digest_is_as_good_as_its_beginning(run):
    run.decide(answer="approve", held_digest=f" {'d' * 64} ")
    assert run.decision() == ("approved", "", "")


@pytest.mark.parametrize(
    ("user", "why"), [("ursula", "`ursula` is not one of them"), (None, "does not record who triggers")]
)
def test_only_a_named_approver_decides(run, user, why):
    with pytest.raises(ConfigError, match=why):
        run.decide(answer="approve", held_digest=DIGEST, user=user, approvers=("vera",))
    assert run.decision() is None
    run.decide(answer="approve", held_digest=DIGEST, user="vera", approvers=("vera",))
    assert run.decision() == ("approved", "", "vera")


def test_no_text_of_an_entry_is_logged(run, capsys):
    run.ask(("4711", "a label"))
    with pytest.raises(AirflowSkipException):
        run.decide()
    logged = capsys.readouterr().out
    assert "WHERE _missing_since IS NOT NULL AND _removed_at IS NULL" in logged
    assert "4711" not in logged
    assert "a label" not in logged


def test_a_run_that_holds_nothing_asks_nothing(tmp_path, run):
    with pytest.raises(AirflowSkipException, match="No removal waits"):
        Run(tmp_path / "another").decide(answer="approve", held_digest=DIGEST)
