"""How a notification is sent, by notifiers of this file."""

import json
import logging
from pathlib import Path
from threading import Event, Thread

import pytest
from airflow.sdk import BaseNotifier

from directory_sync.airflow.deadline import alerts
from directory_sync.airflow.notify import announce, receivers
from directory_sync.config.events import render
from directory_sync.config.settings import SyncSettings

SETTINGS = SyncSettings(home=Path("/home"), deadline_minutes=90)
LATE = render("late", {"dag": "d"})
CHATTER = logging.getLogger("an.http.client")


class Slow(BaseNotifier):
    """A notifier that logs its text, and then works until it is told to end."""

    def __init__(self) -> None:
        super().__init__()
        self.began, self.may_end = Event(), Event()

    def __copy__(self):
        return self

    def notify(self, context) -> None:
        self.began.set()
        assert self.may_end.wait(20)
        CHATTER.info("POST https://hooks.example.org/secret")


def send(notifier: BaseNotifier) -> Thread:
    thread = Thread(target=announce, args=(receivers(SETTINGS, [notifier]), LATE, {}))
    thread.start()
    return thread


def test_what_is_logged_while_two_are_sent_at_once_is_as_before_afterwards(caplog):
    caplog.set_level(logging.DEBUG)
    before = logging.root.manager.disable
    first, second = Slow(), Slow()
    threads = []
    for one in (first, second):
        threads.append(send(one))
        assert one.began.wait(20)
    for one, thread in zip((first, second), threads, strict=True):
        one.may_end.set()
        thread.join(20)
    assert "hooks.example.org" not in caplog.text
    assert logging.root.manager.disable == before
    CHATTER.info("again")
    assert "again" in caplog.messages


class Hook(BaseNotifier):
    """A notifier that takes its address, or the id of a connection that has it."""

    def __init__(
        self, webhook_url: str = "", api_token: str = "", webhook_conn_id: str = "", unfurl_links: bool = True
    ) -> None:
        super().__init__()
        self.webhook_url, self.api_token = webhook_url, api_token
        self.webhook_conn_id, self.unfurl_links = webhook_conn_id, unfurl_links

    def notify(self, context) -> None:
        raise NotImplementedError


def stored(notifier: BaseNotifier) -> list[dict]:
    [alert] = alerts(SETTINGS, told=receivers(SETTINGS, [notifier]))["deadline"]
    return json.loads(json.dumps(alert.callback.serialize()["kwargs"]))["told"]


@pytest.mark.parametrize("name", ["webhook_url", "api_token"])
def test_an_argument_that_may_be_a_secret_is_not_stored_in_the_dag(caplog, name):
    assert stored(Hook(**{name: "not-a-real-secret"})) == []
    assert "Hook is not told of late runs: its arguments cannot be stored in the Dag, or may" in caplog.text


def test_the_id_of_a_connection_is_stored_in_the_dag(caplog):
    [told] = stored(Hook(webhook_conn_id="team_chat", unfurl_links=False))
    assert told["arguments"] == {"webhook_conn_id": "team_chat", "unfurl_links": False}
    assert "is not told" not in caplog.text
