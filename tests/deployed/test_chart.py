"""The values of docs/deploy, checked against the official chart's schema and rendered with it."""

import ast
import configparser
import json
from types import SimpleNamespace

import pytest
import yaml

from tests.deploy.pages import BLOCKS, block

VALUES = [one for one in BLOCKS if one.language == "yaml"]


@pytest.fixture(scope="module")
def chart(chart_folder):
    from helm_python import Chart

    with Chart.load(chart_folder) as chart:
        assert chart.name == "airflow"
        yield chart


@pytest.fixture(scope="module")
def render(chart):
    """Renders the page's values, with others over them; returns the manifests by kind and name."""

    def render(**values):
        merged = block("helm", "values.yaml").data | values
        chart.validate_schema(merged)
        texts = chart.render(merged, name="airflow", namespace="airflow")
        manifests = [
            manifest
            for name, text in texts.items()
            if name.endswith(".yaml")
            for manifest in yaml.safe_load_all(text)
            if manifest
        ]
        return {(manifest["kind"], manifest["metadata"]["name"]): manifest for manifest in manifests}

    return render


@pytest.fixture(scope="module")
def manifests(render):
    return render()


def data_of(manifests):
    return manifests["ConfigMap", "airflow-config"]["data"]


def task_pod(manifests):
    return yaml.safe_load(data_of(manifests)["pod_template_file.yaml"])


def configuration(manifests):
    parser = configparser.RawConfigParser()
    parser.read_string(data_of(manifests)["airflow.cfg"])
    return parser


@pytest.mark.parametrize("one", VALUES, ids=str)
def test_the_schema_of_the_chart_knows_the_values(chart, one) -> None:
    assert chart.schema, "this chart has no values.schema.json"
    chart.validate_schema(one.data)


def test_the_schema_refuses_what_it_does_not_know(chart) -> None:
    from helm_python import HelmValuesError

    with pytest.raises(HelmValuesError, match="nothing"):
        chart.validate_schema({"dagProcessor": {"nothing": 1}})


def unknown(values, defaults, path=""):
    """The keys that the chart has no default for: the schema lets most pass, and nothing reads them."""
    for key, value in values.items():
        if key not in defaults:
            yield path + key
        elif isinstance(value, dict) and defaults[key]:
            yield from unknown(value, defaults[key], f"{path}{key}.")


def test_the_chart_has_each_key_by_its_place(chart) -> None:
    found = {key for one in VALUES for key in unknown(one.data, chart.values)}
    # What Airflow's own configuration may have, and what charts up to 1.20 read one level higher.
    config = {f"config.{section}" for section in block("helm", "values.yaml").data["config"]}
    higher = {"workers.kubernetes.resources", "workers.kubernetes.serviceAccount"}
    beyond = {key for key in found if not any(key == one or key.startswith(f"{one}.") for one in config)}
    assert beyond <= higher
    assert {key.split(".")[-1] for key in higher} <= set(chart.values["workers"])


def test_the_pod_of_a_task_is_ours_with_its_account_and_memory(manifests) -> None:
    values = block("helm", "values.yaml").data
    pod = task_pod(manifests)["spec"]
    (container,) = pod["containers"]
    assert container["resources"] == values["workers"]["resources"]
    account = manifests["ServiceAccount", pod["serviceAccountName"]]
    assert account["metadata"]["annotations"] == values["workers"]["serviceAccount"]["annotations"]
    executor = configuration(manifests)["kubernetes_executor"]
    assert executor["worker_container_repository"] == values["images"]["airflow"]["repository"]
    assert executor["worker_container_tag"] == values["images"]["airflow"]["tag"]


def test_every_pod_of_airflow_reads_the_settings_and_options(manifests) -> None:
    values = block("helm", "values.yaml").data
    pods = [task_pod(manifests)]
    pods += [one["spec"]["template"] for (kind, _), one in manifests.items() if kind == "Deployment"]
    airflows = [pod for pod in pods if "statsd" not in json.dumps(pod["metadata"]["labels"])]
    assert len(airflows) == 4
    for pod in airflows:
        (container,) = (one for one in pod["spec"]["containers"] if "groomer" not in one["name"])
        assert "/opt/airflow/airflow.cfg" in {one["mountPath"] for one in container["volumeMounts"]}
    parsed = configuration(manifests)
    for section, options in values["config"].items():
        assert {option: parsed[section][option] for option in options} == options


def test_the_function_gives_the_rendered_pod_the_memory_of_its_stage(manifests) -> None:
    names: dict = {}
    exec(compile(data_of(manifests)["airflow_local_settings.py"], "airflow_local_settings.py", "exec"), names)
    (container,) = task_pod(manifests)["spec"]["containers"]
    base = SimpleNamespace(name="base", resources=SimpleNamespace(**container["resources"]))
    pod = SimpleNamespace(
        metadata=SimpleNamespace(annotations={"dag_id": "directory_sync", "task_id": "publish"}),
        spec=SimpleNamespace(containers=[base]),
    )
    names["pod_mutation_hook"](pod)
    assert base.resources.limits == {"memory": "1024Mi"}
    assert base.resources.requests == {"cpu": "500m", "memory": "1024Mi"}


def test_no_secret_is_in_a_manifest_and_no_database_beside_ours(manifests) -> None:
    named = {name for kind, name in manifests if kind == "Secret"}
    # Of Celery's broker, which this executor does not start.
    assert named <= {"airflow-broker-url", "airflow-redis-password"}
    assert not any("postgresql" in name or "triggerer" in name for _, name in manifests)


def test_connections_from_secrets_are_variables_of_the_pod(render) -> None:
    other = block("helm", "values.yaml, instead of config.secrets").data
    (container,) = task_pod(render(**other))["spec"]["containers"]
    given = {
        one["name"]: one["valueFrom"]["secretKeyRef"]["key"] for one in container["env"] if "valueFrom" in one
    }
    assert given.items() >= {one["envName"]: one["secretKey"] for one in other["secret"]}.items()


def test_the_bundle_of_the_values_is_that_of_the_variable(render) -> None:
    values = block("bundles", "values.yaml").data
    (bundle,) = json.loads(configuration(render(**values))["dag_processor"]["dag_bundle_config_list"])
    variables = block("bundles", "environment of the Dag processor, the scheduler and the workers").variables
    (of_variable,) = ast.literal_eval(variables["AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST"])
    assert bundle == of_variable


def test_git_sync_fetches_the_repository_before_a_task_starts(render) -> None:
    values = block("bundles", "values.yaml, for git-sync").data
    (init,) = task_pod(render(**values))["spec"]["initContainers"]
    given = {one["name"]: one["value"] for one in init["env"] if "value" in one}
    assert given["GITSYNC_REPO"] == values["dags"]["gitSync"]["repo"]
    assert given["GITSYNC_ONE_TIME"] == "true"
