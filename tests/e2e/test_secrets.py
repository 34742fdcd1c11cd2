"""No byte that a deployment writes holds the secret or a token, whatever fails and however much is logged."""

import base64
import json
import re
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest
from starlette.responses import JSONResponse, PlainTextResponse

from sandbox.server import SandboxServer
from sandbox.settings import Settings
from tests.chaos import stack
from tests.chaos.conftest import deployed

CLIENT = "client of/the tests"
SECRET = "s3cret/+ &=%\"\\ü 'of the tests"
LOUD = {
    "AIRFLOW__LOGGING__LOGGING_LEVEL": "DEBUG",
    "AIRFLOW__LOGGING__FAB_LOGGING_LEVEL": "DEBUG",
    "RUNTIME__LOG_LEVEL": "DEBUG",
    "DIRECTORY_SYNC_SHARDS": "1",
}
FAULTS = (
    "pages_are_read",
    "the_load_is_not_marked_complete",
    "the_manifest_is_written",
    "the_table_is_loaded",
)


def forms_of(secret):
    """A secret as it may stand in a text: plain, escaped, URL-encoded, in base64, as a Basic header."""
    plain = {secret, quote(secret), quote(secret, safe=""), quote_plus(secret)}
    escaped = {json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1], repr(secret)[1:-1]}
    escaped |= {repr(secret.encode())[2:-1], repr(json.dumps(secret))[2:-2]}
    pairs = {f"{client}:{form}" for form in plain for client in (CLIENT, quote_plus(CLIENT), quote(CLIENT))}
    # The last characters of base64 depend on what follows; the first ones do not.
    encoded = {
        coder(text.encode()).decode().rstrip("=")[:-1]
        for text in plain | pairs
        for coder in (base64.b64encode, base64.urlsafe_b64encode)
    }
    return plain | escaped | encoded


class Echo:
    """A token endpoint that sends back what it was sent, secrets included: as an error, then as garbage."""

    def __init__(self, sandbox):
        router = sandbox._server.config.app.router
        self.route = next(r for r in router.routes if getattr(r, "path", "") == "/oauth/token")
        self.usual = self.route.app
        self.answered = []

    async def __call__(self, scope, receive, send):
        body = (await receive())["body"].decode()
        headers = {k.decode(): v.decode() for k, v in scope["headers"]}
        echo = {"sent": body, "authorization": headers.get("authorization", ""), "secret": SECRET}
        answers = [
            JSONResponse(echo, 500),
            PlainTextResponse(f"<html>{json.dumps(echo)}</html>", 200),
        ]
        answer = answers[min(len(self.answered), 1)]
        self.answered.append(answer.status_code)
        await answer(scope, receive, send)

    def __enter__(self):
        self.route.app = self
        return self

    def __exit__(self, *_):
        self.route.app = self.usual


@dataclass(frozen=True, kw_only=True)
class Written:
    """What a deployment left, and what it knew.

    Attributes:
        states: of its runs, in order.
        log: of all tries of all tasks, as Airflow's interface shows it.
        secrets: in all their forms.
        tokens: those that were granted.
    """

    folder: Path
    states: list[str]
    log: str
    secrets: set[str]
    tokens: set[str]

    def files(self):
        """All that was written: logs, metadata, landing zone, warehouse, deleted temporary files."""
        for name in ("airflow", "temporary"):
            yield from (path for path in (self.folder / name).rglob("*") if path.is_file())


@contextmanager
def authenticated(deployment, method):
    """Another way to send the secret, for the tasks from now on."""
    connection = {
        "conn_type": "directory_api",
        "host": deployment.sandbox.url,
        "login": CLIENT,
        "password": SECRET,
        "extra": {"auth_method": method},
    }
    deployment.give(AIRFLOW_CONN_DIRECTORY_API=json.dumps(connection))
    yield
    deployment.give()


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A deployment that was as loud as can be and had every trouble with its secret."""
    folder = tmp_path_factory.mktemp("secrets")
    settings = Settings(entries=600, client_id=CLIENT, client_secret=SECRET)
    tokens, runs = set(), []
    with SandboxServer(settings) as sandbox, deployed(folder, sandbox, LOUD) as deployment:
        grant = sandbox._sandbox.tokens.grant

        def remembered(*args):
            answer = grant(*args)
            tokens.add(answer["access_token"])
            return answer

        sandbox._sandbox.tokens.grant = remembered
        for name in (stack.KEEPS_TEMPORARY, stack.TALKS):
            (deployment.points / name).touch()
        for moment in FAULTS:
            deployment.arm(moment, "raise")
        runs.append(deployment.run())
        assert deployment.struck() == set(FAULTS)
        with authenticated(deployment, "client_secret_basic"):
            runs.append(deployment.run())
            sandbox.configure(client_secret="another")
            runs.append(deployment.run())
        runs.append(deployment.run())
        sandbox.configure(client_secret=SECRET)
        with Echo(sandbox) as echo:
            runs.append(deployment.run())
        assert echo.answered == [500, 200]
        log = "\n".join(
            deployment.log(run, task.task_id, try_number=number)
            for run in runs
            for task in deployment.tasks(run).values()
            if task.runs_code and task.state in ("success", "failed")
            for number in range(1, task.try_number + 1)
        )
    secrets = set().union(*map(forms_of, (SECRET, *tokens)))
    return Written(folder=folder, states=[run.state for run in runs], log=log, secrets=secrets, tokens=tokens)


def found_in(content, secrets):
    """The forms that stand in some bytes, cut short."""
    return {secret[:6] for secret in secrets if secret.encode() in content}


def test_the_runs_had_the_troubles_they_were_to_have(written):
    assert written.states == ["success", "success", "failed", "failed", "failed"]
    for error in (stack.FAULT, "answered 401", "answered 200 with a body that is not a JSON object"):
        assert error in written.log
    assert len(written.tokens) >= 5


def test_the_runs_were_as_loud_as_can_be(written):
    for what in ("send: b'POST /oauth/token", "send: b'GET /v1/directory", "reply: 'HTTP/1.1 200 OK", "***"):
        assert what in written.log
    assert re.search(r'"(GET|POST) /\S+ HTTP/1.1" 200', written.log)


def test_what_is_searched_is_all_there(written):
    names = {path.name for path in written.files()}
    assert {"airflow.db", "warehouse.duckdb", "manifest.json", "trace.pickle"} <= names
    assert {"scheduler.log", "api-server.log"} <= names
    assert any(name.endswith(".parquet") for name in names)
    kept = (written.folder / "temporary" / stack.KEPT).glob("*/*")
    assert {"directory_sync", "directory_resource_landing"} <= {
        re.sub("(_sync)_.*", r"\1", path.name) for path in kept
    }


def test_no_log_in_the_interface_holds_a_secret(written):
    assert found_in(written.log.encode(), written.secrets) == set()


def test_no_byte_that_was_written_holds_a_secret(written):
    found = {
        str(path.relative_to(written.folder)): found_in(without_raw_prints(path), written.secrets)
        for path in written.files()
    }
    assert {name: forms for name, forms in found.items() if forms} == {}


def without_raw_prints(path):
    """A file's bytes, less what Airflow leaves unmasked whatever we do.

    It masks what a task prints in the task's log, and copies it as it is to the scheduler's own output. Only
    `http.client.debuglevel`, which these tests turn on in each task, prints requests.
    """
    content = path.read_bytes()
    if path.name == "scheduler.log":
        content = re.sub(rb"(?m)^.*\] send: b['\"].*\[task\.stdout\]$", b"", content)
    return content


def test_the_search_finds_each_form(written):
    for form in written.secrets:
        assert found_in(b"..." + form.encode() + b"...", written.secrets)
