"""docker-compose.yaml, .env.example and the Dockerfile, as they are written: no engine is needed.

`make lint` holds the file against the Compose schema; `make test-compose` starts it.
"""

import dataclasses
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from compose.environment import CONNECTION, SECRETS, EnvironmentFileError, complete, read
from directory_sync.config.settings import ENVIRONMENT_PREFIX, SyncSettings

CHECKOUT = Path(__file__).parents[2]
COMPOSE_FILE = CHECKOUT / "docker-compose.yaml"
EXAMPLE = CHECKOUT / ".env.example"
ENDS_BY_ITSELF = "init"
GIVEN_BY_COMPOSE = {"COMPOSE_PROJECT_NAME"}
_VARIABLE = re.compile(r"(?<!\$)\$\{(\w+)(:?[-?+])?(.*?)\}")


@pytest.fixture(scope="module")
def text():
    return COMPOSE_FILE.read_text()


@pytest.fixture(scope="module")
def services(text):
    return yaml.safe_load(text)["services"]


@pytest.fixture(scope="module")
def pins():
    lines = (CHECKOUT / "constraints.txt").read_text().splitlines()
    return dict(line.split("==") for line in lines if "==" in line and not line.startswith("#"))


@pytest.fixture
def env_file(tmp_path):
    return tmp_path / ".env"


def is_built(service):
    return service["image"].startswith("${COMPOSE_PROJECT_NAME}-")


def test_every_service_that_stays_has_a_health_check(services):
    without = {name for name, service in services.items() if "healthcheck" not in service}
    assert without == {ENDS_BY_ITSELF}


def test_what_has_no_health_check_is_waited_for_until_it_succeeds(services):
    waiting = [name for name, service in services.items() if ENDS_BY_ITSELF in service.get("depends_on", ())]
    assert {"api-server", "scheduler", "dag-processor", "triggerer", "worker"} == set(waiting)
    for name in waiting:
        condition = services[name]["depends_on"][ENDS_BY_ITSELF]["condition"]
        assert condition == "service_completed_successfully"


def test_ports_are_bound_to_this_machine_alone(services):
    ports = [port for service in services.values() for port in service.get("ports", ())]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_nobody_runs_as_root(services):
    users = {name: service.get("user") for name, service in services.items()}
    assert {name: user for name, user in users.items() if user} == {"postgres": "postgres", "redis": "redis"}
    # The others are built on Airflow's image, which ends with the user `airflow`.
    assert all(is_built(services[name]) for name, user in users.items() if not user)
    assert "USER" not in (CHECKOUT / "Dockerfile").read_text().split()


def test_nobody_gains_rights_or_unlimited_memory(services):
    for service in services.values():
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert {"memory", "pids"} <= service["deploy"]["resources"]["limits"].keys()
        assert "privileged" not in service


def test_data_is_kept_in_named_volumes(services, text):
    named = set(yaml.safe_load(text)["volumes"])
    used = {volume.split(":")[0] for service in services.values() for volume in service.get("volumes", ())}
    assert used == named | {"./compose/databases.sh"}


def test_secrets_have_no_default_and_say_what_to_do(text):
    for name in (*SECRETS, *GIVEN_BY_COMPOSE):
        used = [found for found in _VARIABLE.findall(text) if found[0] == name]
        assert used, name
        for _, operator, words in used if name in SECRETS else ():
            assert operator == ":?", name
            assert "make up" in words


def test_what_the_file_asks_for_stands_in_the_example(text):
    asked = {found[0] for found in _VARIABLE.findall(text)} - GIVEN_BY_COMPOSE
    assert asked | {CONNECTION, "COMPOSE_PROFILES"} == set(read(EXAMPLE.read_text()))


def test_the_example_holds_no_secret():
    values = read(EXAMPLE.read_text())
    assert {name: values[name] for name in (*SECRETS, CONNECTION)} == dict.fromkeys(
        (*SECRETS, CONNECTION), ""
    )


def test_what_becomes_of_a_secret_is_no_literal(services):
    for service in services.values():
        for name, value in (service.get("environment") or {}).items():
            if re.search("SECRET|PASSWORD$|KEY|REDISCLI_AUTH", name):
                assert re.fullmatch(r"\$\{\w+:\?.*\}", value), name


def test_every_setting_of_the_dag_reaches_it(services):
    known = {ENVIRONMENT_PREFIX + field.name.upper() for field in dataclasses.fields(SyncSettings)}
    for name in ("scheduler", "dag-processor", "api-server", "worker"):
        given = {key for key in services[name]["environment"] if key.startswith(ENVIRONMENT_PREFIX)}
        # Where it keeps the snapshots is a volume.
        assert given == known - {f"{ENVIRONMENT_PREFIX}HOME"}, name
        assert all(services[name]["environment"][key] is None for key in given)


def test_the_snapshots_are_shared_by_all_who_run_tasks(services):
    for name in ("scheduler", "worker"):
        assert "snapshots:/opt/airflow/directory_sync" in services[name]["volumes"]


def test_the_image_is_the_pinned_airflow(services, pins):
    version = pins["apache-airflow"]
    base = re.search(r"(?m)^FROM (\S+)", (CHECKOUT / "Dockerfile").read_text())
    assert base
    assert base[1].startswith(f"apache/airflow:{version}-")
    built = {service["image"].rpartition(":")[2] for service in services.values() if is_built(service)}
    assert built == {version}


def test_what_only_the_image_needs_is_pinned_as_everywhere(pins):
    lines = (CHECKOUT / "requirements-compose.txt").read_text().splitlines()
    wanted = dict(
        re.sub(r"\[.*\]", "", line).split("==") for line in lines if line and not line.startswith("#")
    )
    assert wanted
    assert {name: pins.get(name) for name in wanted} == wanted


def test_the_environment_file_is_made_complete_and_private(env_file):
    filled = complete(env_file, EXAMPLE)
    values = read(env_file.read_text())
    assert set(filled) == {*SECRETS, CONNECTION}
    assert env_file.stat().st_mode & 0o777 == 0o600
    assert len({values[name] for name in SECRETS}) == len(SECRETS)
    assert all(len(values[name]) >= 20 for name in SECRETS)
    assert json.loads(values[CONNECTION])["password"] == values["SANDBOX_CLIENT_SECRET"]


def test_two_environment_files_share_no_secret(tmp_path):
    made = []
    for name in ("one", "other"):
        complete(tmp_path / name, EXAMPLE)
        values = read((tmp_path / name).read_text())
        made.append({values[secret] for secret in SECRETS})
    assert not made[0] & made[1]


def test_what_has_a_value_is_left_as_it_is(env_file):
    complete(env_file, EXAMPLE)
    before = (
        env_file.read_text().replace("AIRFLOW_PORT=8080", "AIRFLOW_PORT = 8081  ")
        + "# mine\nexport OTHER=x\n"
    )
    env_file.write_text(before)
    assert complete(env_file, EXAMPLE) == []
    assert env_file.read_text() == before


def test_what_is_empty_or_lost_is_filled_in_where_it_stood(env_file):
    complete(env_file, EXAMPLE)
    values = read(env_file.read_text())
    text = env_file.read_text().replace(values["JWT_SECRET"], "")
    env_file.write_text(re.sub(r"(?m)^REDIS_PASSWORD=.*\n", "", text))
    assert complete(env_file, EXAMPLE) == ["JWT_SECRET", "REDIS_PASSWORD"]
    after = read(env_file.read_text())
    assert after["JWT_SECRET"]
    assert after["JWT_SECRET"] != values["JWT_SECRET"]
    changed = {"JWT_SECRET", "REDIS_PASSWORD"}
    assert {k: v for k, v in after.items() if k not in changed} == {
        k: v for k, v in values.items() if k not in changed
    }


def test_a_connection_that_was_taken_out_stays_out(env_file):
    complete(env_file, EXAMPLE)
    env_file.write_text(re.sub(rf"(?m)^{CONNECTION}=.*\n", "", env_file.read_text()))
    assert complete(env_file, EXAMPLE) == []


@pytest.mark.parametrize("password", ["a@b", "a/b", 'a"b', "a b", "a$b", "ü"])
def test_a_password_that_would_break_an_address_is_refused_by_name(env_file, password):
    env_file.write_text(f"AIRFLOW_DB_PASSWORD='{password}'\n")
    with pytest.raises(EnvironmentFileError, match="AIRFLOW_DB_PASSWORD") as refusal:
        complete(env_file, EXAMPLE)
    assert password not in str(refusal.value).replace("AIRFLOW_DB_PASSWORD in .env may hold", "")


@pytest.mark.parametrize("action", ["up", "down"])
def test_without_docker_one_line_says_so(tmp_path, action):
    done = subprocess.run(
        [sys.executable, "-m", "compose", action],
        cwd=CHECKOUT, env={"PATH": str(tmp_path)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr == (
        "There is no `docker` here: the stack needs Docker with Compose 2.20 or newer. Nothing was done.\n"
    )
