"""A real Airflow with its sandbox, a real browser, and pages that are logged in as one of its users.

def test_something(airflow, page_of):
    page = page_of("vera")                     # Vera may look, not touch
    page.goto("/plugin/directory")             # paths are Airflow's own
    ...                                        # what the page complains of in the console fails the test
"""

import json
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect, sync_playwright

from demo.airflow_api import AirflowApi, DagRun
from demo.local_airflow import CHECKOUT, DAG_ID, LocalAirflow, connection_to
from sandbox.server import SandboxServer
from sandbox.settings import Settings
from tests.programs import Machine
from tests.programs import browser as browser_of_machine

ROLES = {"admin": "admin", "vera": "viewer"}
"""The users, and what Airflow's simple auth manager lets each do."""

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
PATIENCE = 60_000
"""Milliseconds until what is expected has to be seen: no test is about how fast a busy machine is."""
expect.set_options(timeout=PATIENCE)

PICTURES = os.environ.get("SCREENSHOTS")
"""A folder for pictures of what the tests see, such as docs/images; none are taken without it."""

NOT_OURS = ("Failed to load resource", "No `HydrateFallback` element")
"""What the browser says of each answer that is an error, where the page's words on it are tested instead, and
of Airflow 3.1's own page."""


@dataclass(frozen=True, kw_only=True)
class Stack:
    """What runs: the API, Airflow, and the passwords of Airflow's users."""

    sandbox: SandboxServer
    airflow: LocalAirflow
    passwords: dict[str, str]

    @property
    def url(self) -> str:
        return self.airflow.url

    @property
    def api(self) -> AirflowApi:
        return self.airflow.api

    def run(self, **conf: object) -> DagRun:
        """One run of the Dag, to its end."""
        run = self.airflow.begin_run(conf)
        return self.api.wait(DAG_ID, run.run_id, seconds=300)

    def wait_for_question(self, run: DagRun) -> dict:
        """What a run asks a person."""
        return self.airflow.wait_for_questions(run, seconds=150)[0]

    def report(self, run: DagRun) -> dict:
        """What a run published, as it reported it."""
        return self.api.xcom(DAG_ID, run.run_id, "publish")

    def token(self, user: str) -> str:
        """What the browser's cookie `_token` holds after a login."""
        return AirflowApi(self.url, username=user, password=self.passwords[user]).token()


@pytest.fixture(scope="session")
def airflow(tmp_path_factory, migrated, airflow_python) -> Iterator[Stack]:
    """Airflow with a small directory, before its first run."""
    home = tmp_path_factory.mktemp("airflow")
    passwords = {user: secrets.token_urlsafe(12) for user in ROLES}
    (home / "passwords.json").write_text(json.dumps(passwords))
    # A copy: a test may edit the form, which each task reads again.
    shutil.copytree(CHECKOUT / "dags", home / "dags")
    with SandboxServer(Settings(entries=1200)) as sandbox:
        environment = {
            "AIRFLOW__CORE__DAGS_FOLDER": str(home / "dags"),
            "AIRFLOW_CONN_DIRECTORY_API": json.dumps(connection_to(sandbox)),
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": ",".join(f"{u}:{r}" for u, r in ROLES.items()),
        }
        with LocalAirflow(home, environment=environment, migrated=migrated, python=airflow_python) as local:
            yield Stack(sandbox=sandbox, airflow=local, passwords=passwords)


@pytest.fixture(scope="session")
def published(airflow) -> Stack:
    """The same, with its directory published; over a few nights where pictures are taken."""
    if not any(run.state == "success" for run in airflow.api.runs(DAG_ID)):
        assert airflow.run().state == "success"
    for night in range(3 if PICTURES else 0):
        airflow.sandbox.directory.edit(
            add=4 + night * 3 % 8, change=30 + night * 17 % 40, remove=2, seed=night
        )
        assert airflow.run(mode="sync").state == "success"
    return airflow


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browser_of_machine(Machine()), args=list(FLAGS))
        yield chromium
        chromium.close()


@dataclass
class Window:
    """A window of the browser; what the pages in it complain of is collected.

    Airflow's own interface is 7 MB of JavaScript: a window that stays open saves seconds a test.
    """

    context: BrowserContext
    complaints: list[str] = field(default_factory=list)

    def open(self, *, width: int = 1280, dark: bool = False) -> Page:
        page = self.context.new_page()
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(color_scheme="dark" if dark else "light")
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        return page

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not message.text.startswith(NOT_OURS):
            self.complaints.append(message.text)


@pytest.fixture(scope="session")
def window_of(airflow, browser) -> Iterator[Callable[[str | None], Window]]:
    """A new window, logged in as a user; None: as nobody."""
    windows = []

    def window_of(user: str | None) -> Window:
        context = browser.new_context(base_url=airflow.url, timezone_id="Europe/Berlin", locale="en-GB")
        context.set_default_timeout(PATIENCE)
        if user is not None:
            context.add_cookies([{"name": "_token", "value": airflow.token(user), "url": airflow.url}])
        windows.append(Window(context))
        return windows[-1]

    yield window_of
    for window in windows:
        window.context.close()


@pytest.fixture
def page_of(window_of) -> Iterator[Callable[..., Page]]:
    """Opens a page in a window of its own, logged in as a user; None: as nobody.

    Args:
        user: one of ROLES.
        width: of the page.
        dark: Airflow's dark mode.
    """
    windows = []

    def page_of(user: str | None, *, width: int = 1280, dark: bool = False) -> Page:
        windows.append(window_of(user))
        return windows[-1].open(width=width, dark=dark)

    yield page_of
    for window in windows:
        window.context.close()
    assert [complaint for window in windows for complaint in window.complaints] == []


@pytest.fixture
def picture() -> Callable[..., None]:
    """Takes a picture of a page for the documentation, where a folder for it is named."""

    def picture(
        page: Page, name: str, *, left: int = 0, top: int = 0, height: int = 900, width: int = 1280
    ) -> None:
        if PICTURES:
            page.set_viewport_size({"width": width, "height": height})
            # A field that is being typed into, or a button that is pointed at, looks unlike the others.
            page.evaluate("document.activeElement.blur()")
            page.mouse.move(0, 0)
            # Charts grow and messages fade; nothing in the page says when they are done.
            page.wait_for_timeout(6_000)
            page.screenshot(
                path=Path(PICTURES) / f"{name}.png",
                animations="disabled",
                clip={"x": left, "y": top, "width": width - left, "height": height - top},
            )

    return picture
