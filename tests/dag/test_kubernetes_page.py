"""The values of docs/deploy/helm.md, held against the Dag and the measurements of docs/kubernetes.md."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from directory_sync.config.settings import SyncSettings
from tests.deploy.pages import blocks_of

STAGES = {"extract", "audit", "publish", "approve_removals", "remove"}
PAGE = Path(__file__).resolve().parents[2] / "docs" / "kubernetes.md"


@pytest.fixture(scope="module")
def values():
    return [block.data for block in blocks_of("helm") if block.language == "yaml"]


@pytest.fixture(scope="module")
def hook(values):
    names: dict = {}
    exec(compile(values[0]["airflowLocalSettings"], "airflow_local_settings.py", "exec"), names)
    return names["pod_mutation_hook"]


@pytest.fixture
def template(values):
    """What the chart makes of `workers.kubernetes.resources`: one object for all pods."""
    return SimpleNamespace(**values[0]["workers"]["resources"])


def test_a_pod_without_resources_of_its_own_gets_them_too(hook, dag):
    made = pod(SimpleNamespace(requests=None, limits=None), dag_id=dag.dag_id, task_id="audit")
    hook(made)
    assert memory(made) == 768


def pod(template, **annotations):
    return SimpleNamespace(
        metadata=SimpleNamespace(annotations=annotations or None),
        spec=SimpleNamespace(containers=[SimpleNamespace(name="base", resources=template)]),
    )


def mebibytes(text):
    assert text.endswith("Mi")
    return int(text.removesuffix("Mi"))


def memory(pod):
    (container,) = pod.spec.containers
    assert container.resources.requests["memory"] == container.resources.limits["memory"]
    return mebibytes(container.resources.limits["memory"])


def test_each_task_gets_the_memory_of_its_stage(hook, template, dag):
    found = {}
    for task in dag.tasks:
        made = pod(template, dag_id=dag.dag_id, task_id=task.task_id)
        hook(made)
        assert made.spec.containers[0].resources is not template
        assert made.spec.containers[0].resources.requests["cpu"] == template.requests["cpu"]
        found.setdefault(task.task_id.split(".")[0], set()).add(memory(made))
    assert set(found) == STAGES
    assert all(len(sizes) == 1 for sizes in found.values())


def test_a_pod_of_another_dag_is_left_alone(hook, template):
    for annotations in ({}, {"dag_id": "another", "task_id": "publish"}):
        made = pod(template, **annotations)
        hook(made)
        assert made.spec.containers[0].resources is template


def test_each_limit_is_a_quarter_above_the_highest_figure_of_the_page(hook, template, dag):
    rows = [line.strip("| ").split("|") for line in PAGE.read_text().splitlines() if line.startswith("| `")]
    assert {row[0].strip(" `") for row in rows} == STAGES
    for stage, *figures in rows:
        made = pod(template, dag_id=dag.dag_id, task_id=stage.strip(" `"))
        hook(made)
        measured = [int(figure.replace(",", "")) for figure in figures if figure.strip(" \u2013")]
        assert memory(made) >= 1.25 * max(measured)


def test_the_page_names_settings_and_connections_that_exist(values):
    assert values[0]["config"]["directory_sync"].keys() <= SyncSettings.__dataclass_fields__.keys()
    assert {secret["envName"] for secret in values[1]["secret"]} == {
        f"AIRFLOW_CONN_DIRECTORY_{name}" for name in ("API", "WAREHOUSE", "LANDING")
    }
