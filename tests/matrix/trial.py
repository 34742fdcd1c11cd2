"""What is done with each row, for real: a Dag that syncs, a person who decides, the page, the form."""

import json
import re
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests
from playwright.sync_api import expect, sync_playwright

from demo.airflow_api import DagRun
from demo.local_airflow import CHECKOUT, DAG_ID, LocalAirflow, connection_to
from demo.warehouse import warehouse_path
from sandbox.server import SandboxServer
from sandbox.settings import Settings
from tests.matrix.rows import Row
from tests.programs import Machine
from tests.programs import browser as browser_of_machine

CLAIMS = ("pip install", "parse", "two syncs", "removals", "backfill", "form", "Test", "page")
"""What is claimed of each row. The notes are read in each of the runs."""
ENTRIES = 1_200
HELD = 400
_COUNTS = "SELECT count(*) FILTER (_removed_at IS NULL), count(_removed_at) FROM directory.directory_resource"
_COUNT = f"""
import duckdb, json, sys
print(json.dumps(duckdb.connect(sys.argv[1], read_only=True).execute({_COUNTS!r}).fetchone()))
"""
_VERSIONS = """
import json
from importlib.metadata import version
names = ("apache-airflow-core", "dlt", "duckdb", "sqlglot", "pyarrow")
print(json.dumps({name: version(name) for name in names}))
"""
_PATIENT = {
    "AIRFLOW__CORE__DAGBAG_IMPORT_TIMEOUT": "300",
    "AIRFLOW__WORKERS__EXECUTION_API_TIMEOUT": "60",
    "AIRFLOW__WORKERS__EXECUTION_API_RETRIES": "30",
    "AIRFLOW__WORKERS__EXECUTION_API_RETRY_WAIT_MAX": "3",
}
"""On a busy machine a Dag is parsed in more than half a minute, and a task waits more than five seconds."""
_RUN_SECONDS = 600.0
_PATIENCE = 120_000
_FLAGS = ("--no-sandbox", "--disable-gpu")


@dataclass
class Trial:
    """An environment that is tried.

    Args:
        row: what is in it.
        home: the AIRFLOW_HOME, new.

    Attributes:
        seen: of each claim whether it held, or why not.
        versions: of what is in the environment.
    """

    row: Row
    home: Path
    seen: dict[str, str] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)

    def failures(self) -> list[tuple[str, str]]:
        """Returns the claims that did not hold, and why."""
        return [(claim, said) for claim, said in self.seen.items() if said.startswith("NO")]

    def prove(self, python: Path, *, whole: bool = True) -> None:
        """Runs it all; `seen` has the outcome, claim by claim.

        Args:
            python: of the environment.
            whole: False for the Dag alone: parse, syncs, the decision.

        Raises:
            CommandFailedError: that Airflow does not start, or the Dag cannot be parsed there.
        """
        self._python = python
        self.seen["pip install"] = "yes"
        self.versions = json.loads(self._ask(_VERSIONS))
        self.home.mkdir(parents=True, exist_ok=True)
        dags, plugins = self.home / "dags", self.home / "plugins"
        dags.mkdir()
        plugins.mkdir()
        form = (CHECKOUT / "dags" / "directory_sync_dag.py").read_text()
        (dags / "directory_sync_dag.py").write_text(form)
        with SandboxServer(Settings(entries=ENTRIES)) as self.sandbox:
            environment = {
                "AIRFLOW_CONN_DIRECTORY_API": json.dumps(connection_to(self.sandbox)),
                "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
                "AIRFLOW__CORE__PLUGINS_FOLDER": str(plugins),
                **_PATIENT,
            }
            started = LocalAirflow(self.home, environment=environment, python=self._python)
            with started as self.airflow:
                self.seen["parse"] = "yes"
                self._see("two syncs", self._syncs)
                self._see("removals", self._removals)
                if whole:
                    # Before the backfill: the page is about the last run.
                    self._see("page", self._page)
                    self._see("form", self._form)
                    self._see("Test", self._test)
                    self._see("backfill", self._backfill)

    def _see(self, claim: str, prove: Callable[[], str]) -> None:
        try:
            self.seen[claim] = prove()
        except Exception as error:  # noqa: BLE001  what one claim lacks, the others tell nothing of
            self.seen[claim] = f"NO: {type(error).__name__}: {error}".replace("\n", " ")[:600]

    def _syncs(self) -> str:
        first = self._run()
        _equal(self._counts(), [ENTRIES, 0], "entries after the first sync")
        _claim(f"{ENTRIES:,}" in first.note, f"the note tells the entries: {first.note!r}")
        self.sandbox.directory.edit(12, 41, remove=3, seed=1)
        second = self._run()
        report = self.airflow.api.xcom(DAG_ID, second.run_id, "publish")
        found = {kind: report["changes"].get(kind, 0) for kind in ("added", "changed", "removed")}
        _equal(found, {"added": 12, "changed": 41, "removed": 3}, "the difference")
        _equal(self._counts(), [ENTRIES + 9, 3], "entries after the second sync")
        [event] = self.airflow.api.asset_events(DAG_ID, second.run_id)
        _equal(event["entries"], ENTRIES + 9, "the report of the asset's event")
        return "yes"

    def _removals(self) -> str:
        present, removed = self._counts()
        self.sandbox.directory.edit(remove=HELD, seed=2)
        run = self._begin()
        if self.row.asks:
            self.airflow.wait_for_questions(run, seconds=_RUN_SECONDS)
            _equal(self._counts(), [present, removed], "entries while they are held")
            self.airflow.api.answer(DAG_ID, run.run_id, "approve_removals", "Approve", reason=None)
            self._ended(run)
        else:
            note = self._ended(run).note
            _equal(self._counts(), [present, removed], "entries while they are held")
            digest = re.search(r"\b[0-9a-f]{16}\b", note)
            _claim(digest is not None, f"the note tells the digest: {note!r}")
            assert digest is not None
            self._run(mode="decide", answer="approve", held_digest=digest[0])
        _equal(self._counts(), [present - HELD, removed + HELD], "entries after the approval")
        return "asked" if self.row.asks else "by a run"

    def _backfill(self) -> str:
        known = {run.run_id for run in self.airflow.api.runs(DAG_ID)}
        self.airflow.api.backfill(DAG_ID, "2026-01-01T00:00:00Z", "2026-01-01T23:59:59Z")
        [run] = [run for run in self.airflow.api.runs(DAG_ID) if run.run_id not in known]
        note = self._ended(run).note
        _claim("serves only its present state" in note, f"its note says why it is skipped: {note!r}")
        return "yes"

    def _form(self) -> str:
        types = {one["connection_type"]: one for one in self._get("/ui/connections/hook_meta").json()}
        _claim("directory_api" in types, "the connection type is there")
        extras = types["directory_api"]["extra_fields"] or {}
        if not any(one["extra_fields"] for one in types.values()):
            # Airflow 3.1.0 shows no hook's fields where WTForms is not installed.
            return "type only"
        _claim("auth_type" in extras, f"the form has its own fields: {sorted(extras)}")
        fields = types["directory_api"]["standard_fields"] or {}
        title = (fields.get("url_schema") or {}).get("title"), (fields.get("host") or {}).get("title")
        _claim("Base URL" in title, f"the host is called Base URL: {title}")
        return "yes"

    def _test(self) -> str:
        body = connection_to(self.sandbox) | {"connection_id": "tried_by_hand", "port": None}
        answer = self._post("/api/v2/connections/test", body).json()
        _claim(answer["status"] is True, f"the Test button says that it works: {answer['message']}")
        wrong = self._post("/api/v2/connections/test", body | {"password": "wrong"}).json()
        _claim(wrong["status"] is False, "a wrong secret is refused")
        return "yes"

    def _page(self) -> str:
        if not self.row.has_pages:
            return "none in this Airflow"
        program = browser_of_machine(Machine())
        with sync_playwright() as playwright:
            chromium = playwright.chromium.launch(executable_path=program, args=list(_FLAGS))
            context = chromium.new_context(base_url=self.airflow.url)
            context.add_cookies(
                [{"name": "_token", "value": self.airflow.api.token(), "url": self.airflow.url}]
            )
            page = context.new_page()
            try:
                page.goto("/plugin/directory")
                headline = page.get_by_test_id("headline")
                expect(headline).to_contain_text("entries", timeout=_PATIENCE)
                told = headline.inner_text()
            finally:
                chromium.close()
        count = f"{self._counts()[0]:,}"
        _claim(count in told, f"the headline tells {count}: {told!r}")
        return "yes"

    def _begin(self, **conf: object) -> DagRun:
        return self.airflow.begin_run(conf)

    def _run(self, **conf: object) -> DagRun:
        return self._ended(self._begin(**conf))

    def _ended(self, run: DagRun) -> DagRun:
        ended = self.airflow.api.wait(DAG_ID, run.run_id, seconds=_RUN_SECONDS)
        if ended.state != "success":
            tasks = self.airflow.api.task_runs(DAG_ID, run.run_id)
            failed = [task.task_id for task in tasks if task.state == "failed"]
            red = [f"{name}: {self._last_error(run, name)}" for name in failed]
            raise AssertionError(f"the run is {ended.state}: {'; '.join(red)}; {ended.note}")
        return ended

    def _last_error(self, run: DagRun, task_id: str) -> str:
        log = self.airflow.api.log(DAG_ID, run.run_id, task_id)
        lines = [line.text for line in log if line.level == "error"]
        return lines[-1] if lines else "no error in its log"

    def _counts(self) -> list[int]:
        """Returns how many entries are present and how many are removed."""
        counts: list[int] = json.loads(self._ask(_COUNT, str(warehouse_path(self.home))))
        return counts

    def _ask(self, code: str, *words: str) -> str:
        command = [self._python, "-I", "-c", code, *words]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    def _get(self, path: str) -> requests.Response:
        headers = {"Authorization": f"Bearer {self.airflow.api.token()}"}
        answer = requests.get(f"{self.airflow.url}{path}", headers=headers, timeout=120)
        answer.raise_for_status()
        return answer

    def _post(self, path: str, body: dict[str, Any]) -> requests.Response:
        headers = {"Authorization": f"Bearer {self.airflow.api.token()}"}
        answer = requests.post(f"{self.airflow.url}{path}", headers=headers, json=body, timeout=120)
        answer.raise_for_status()
        return answer


def _claim(holds: bool, claim: str) -> None:
    if not holds:
        raise AssertionError(f"not so: {claim}")


def _equal(found: object, wanted: object, what: str) -> None:
    _claim(found == wanted, f"{what}: {wanted}, found {found}")
