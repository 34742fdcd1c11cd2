"""The systemd unit and the environment file of docs/deploy/systemd.md."""

import configparser
import json
import os
import re
import subprocess

import pytest

from tests.deploy.pages import block, text_of

ENVIRONMENT = block("systemd", "/etc/airflow/environment")


@pytest.fixture(scope="module")
def service() -> configparser.SectionProxy:
    unit = configparser.RawConfigParser(strict=True)
    unit.optionxform = str  # type: ignore[method-assign,assignment]
    unit.read_string(block("systemd", "/etc/systemd/system/airflow@.service").text)
    assert set(unit.sections()) == {"Unit", "Service", "Install"}
    return unit["Service"]


def test_each_service_of_the_template_is_a_command_of_airflow(service) -> None:
    from airflow.cli.cli_config import core_commands

    commands = {command.name for command in core_commands}
    named = set(re.findall(r"airflow@([a-z-]+)(?![a-z.-])", text_of("systemd")))
    assert named == {"api-server", "scheduler", "dag-processor", "triggerer"}
    assert named <= commands
    assert service["ExecStart"] == "/opt/airflow/bin/airflow %i"


def test_the_service_may_write_its_home_and_nothing_else(service) -> None:
    home = ENVIRONMENT.variables["AIRFLOW_HOME"]
    assert (service["ProtectSystem"], service["WorkingDirectory"]) == ("strict", home)
    assert f"/var/lib/{service['StateDirectory']}" == home
    assert service["EnvironmentFile"] == ENVIRONMENT.title


def test_the_environment_file_means_the_same_to_a_shell_and_to_systemd(tmp_path) -> None:
    file = tmp_path / "environment"
    file.write_text(ENVIRONMENT.text)
    command = f'set -a; . "{file}"; set +a; python3 -c "import json, os; print(json.dumps(dict(os.environ)))"'
    plain = {"PATH": os.environ["PATH"]}
    done = subprocess.run(["sh", "-c", command], env=plain, capture_output=True, text=True, check=True)
    by_shell = {
        name: value for name, value in json.loads(done.stdout).items() if name in ENVIRONMENT.variables
    }
    by_systemd = {}
    for line in ENVIRONMENT.text.splitlines():
        name, _, value = line.partition("=")
        # systemd: a value is bare, or within one pair of quotes; nothing is expanded in it.
        assert re.fullmatch(r"'[^']*'|[^'\"\s\\]+", value), line
        by_systemd[name] = value.strip("'")
    assert by_shell == by_systemd
    assert json.loads(by_systemd["AIRFLOW_CONN_DIRECTORY_API"])["conn_type"] == "directory_api"
