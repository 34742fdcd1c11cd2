"""The disk is full: the task fails for a while, nothing is half published, and with room it ends as always.

The full disk is a tmpfs in a mount namespace of its own; where the kernel allows none, or with
`CHAOS_DISK=limit`, a limit on the size of the process's files from that moment on.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from sandbox.server import SandboxServer
from sandbox.settings import Settings
from tests.chaos.conftest import tables
from tests.integration.cycle import Cycle

CHECKOUT = Path(__file__).resolve().parents[2]
PLACES = {"landing": "home/landing", "working folder": "temporary", "warehouse": "home"}
CASES = {
    # stage, whose disk, bytes that are left
    ("extract", "landing", 20_000): None,
    ("extract", "working folder", 20_000): None,
    ("audit", "working folder", 150_000): None,
    ("publish", "working folder", 200_000): "WarehouseError",
    ("publish", "working folder", 4_096): "WarehouseError",
    ("publish", "warehouse", 100_000): "WarehouseError",
}
"""The class of ours the failure has; None: another's exception, which Airflow retries all the same."""

CHILD = """
import json, os, resource, shutil, signal, subprocess, sys, tempfile
from contextlib import contextmanager
from pathlib import Path

args = json.loads(sys.argv[1])
full, folder, is_mounted = Path(args["full"]), Path(args["folder"]), args["is_mounted"]
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
LIMITS = resource.getrlimit(resource.RLIMIT_FSIZE)


def resize(size):
    if is_mounted:
        subprocess.run(["mount", "-o", f"remount,size={size}", str(full)], check=True)


@contextmanager
def nearly_full():
    status = os.statvfs(full)
    resize((status.f_blocks - status.f_bfree) * status.f_frsize + args["room"])
    if not is_mounted:
        resource.setrlimit(resource.RLIMIT_FSIZE, (args["room"], LIMITS[1]))
    try:
        yield
    finally:
        resize("1g")
        resource.setrlimit(resource.RLIMIT_FSIZE, LIMITS)


full.mkdir(parents=True, exist_ok=True)
if is_mounted:
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1g", "none", str(full)], check=True)
shutil.copytree(args["deployment"], folder / "home", dirs_exist_ok=True)
from directory_sync.errors import find_error
from directory_sync.landing.files import MANIFEST
from directory_sync.airflow.retry import DirectoryRetryPolicy
from tests.chaos.conftest import tables
from tests.integration.cycle import Cycle

cycle = Cycle(url=args["url"], home=folder / "home", shards=2)
warehouse = cycle.home / "warehouse.duckdb"
stages = ["extract", "audit", "publish"]
for stage in stages[: stages.index(args["stage"])]:
    getattr(cycle, stage)("one")
before, outcome = tables(warehouse), {}
try:
    with nearly_full():
        getattr(cycle, args["stage"])("one")
except Exception as e:
    chain, current, own = [], e, find_error(e)
    while current is not None:
        chain.append(f"{type(current).__name__}: {current}")
        current = current.__cause__ or current.__context__
    outcome["chain"], outcome["own"] = chain, type(own).__name__ if own else None
    outcome["decision"] = DirectoryRetryPolicy().evaluate(e, 1, 3).action.value
outcome["has a manifest"] = cycle.landed("one").read_json(MANIFEST) is not None
outcome["complete loads"] = len(cycle.landed("one").load_files("windows"))
outcome["published"] = len(cycle.query("SELECT 1 FROM directory_syncs"))
outcome["table before"] = tables(warehouse)["directory_resource"] == before["directory_resource"]
for stage in stages[stages.index(args["stage"]) :]:
    getattr(cycle, stage)("one")
outcome["tables"] = tables(warehouse)
outcome["left"] = [path.name for path in Path(tempfile.gettempdir()).iterdir()]
print()
print(json.dumps(outcome))
"""


@pytest.fixture(scope="module")
def mounts(tmp_path_factory):
    """The words that let a process mount a disk of its own; none where it may not."""
    if os.environ.get("CHAOS_DISK") == "limit" or not shutil.which("unshare"):
        return []
    words = ["unshare", "--mount", "--propagation", "private"]
    place = tmp_path_factory.mktemp("mount")
    tried = subprocess.run([*words, "mount", "-t", "tmpfs", "none", place], capture_output=True, check=False)
    return [] if tried.returncode else words


@pytest.fixture(scope="module")
def api():
    with SandboxServer(Settings(entries=3_000)) as server:
        yield server


@pytest.fixture(scope="module")
def deployment(api, tmp_path_factory):
    """A deployment after its first night, edits since then, and the tables of an undisturbed second night."""
    home = tmp_path_factory.mktemp("deployment") / "home"
    Cycle(url=api.url, home=home).run("zero")
    undisturbed = Cycle(url=api.url, home=home.parent / "undisturbed")
    shutil.copytree(home, undisturbed.home)
    api.directory.edit(100, 1_200, remove=20, seed=3)
    undisturbed.run("one")
    return home, tables(undisturbed.home / "warehouse.duckdb")


@pytest.fixture(params=CASES, ids=lambda case: "-".join(map(str, case)), scope="module")
def case(request):
    return request.param


@pytest.fixture(scope="module")
def outcome(case, api, deployment, mounts, tmp_path_factory):
    """What a full disk did to a stage, and what the same stages did with room."""
    stage, place, room = case
    folder = tmp_path_factory.mktemp("disk")
    (folder / "temporary").mkdir()
    arguments = {
        "full": str(folder / PLACES[place]),
        "folder": str(folder),
        "is_mounted": bool(mounts),
        "deployment": str(deployment[0]),
        "url": api.url,
        "stage": stage,
        "room": room,
    }
    environment = {
        **os.environ,
        "TMPDIR": str(folder / "temporary"),
        "PYTHONPATH": f"{CHECKOUT / 'plugins'}{os.pathsep}{CHECKOUT}",
    }
    done = subprocess.run(
        [*mounts, sys.executable, "-c", CHILD, json.dumps(arguments)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


def test_a_full_disk_fails_the_task_for_a_while(outcome, case, mounts):
    assert outcome["decision"] == "default"
    if mounts:
        assert outcome["own"] == CASES[case]


def test_a_full_disk_lets_nothing_be_half_published(outcome, case):
    stage = case[0]
    assert outcome["published"] == 1
    assert outcome["table before"] or case[1] == "warehouse"
    assert outcome["has a manifest"] is (stage == "publish")
    assert stage != "extract" or outcome["complete loads"] < 2


def test_the_messages_about_a_full_disk_quote_no_entry(outcome, api):
    names = {api.directory.get(id_)["name"] for id_ in api.directory.ids()}
    text = "\n".join(outcome["chain"])
    assert [name for name in names if len(name) > 8 and name in text] == []


def test_with_room_again_the_tables_are_those_of_an_undisturbed_night(outcome, deployment):
    assert outcome["tables"] == deployment[1]


def test_a_full_disk_leaves_no_temporary_folder(outcome):
    assert outcome["left"] == []
