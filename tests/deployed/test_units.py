"""The unit of docs/deploy/systemd.md, read by systemd itself."""

import subprocess

from tests.deploy.pages import block


def test_systemd_finds_nothing_wrong_in_the_unit(tmp_path) -> None:
    program = tmp_path / "airflow"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    text = block("systemd", "/etc/systemd/system/airflow@.service").text
    # It looks whether the program is there.
    text = text.replace("/opt/airflow/bin/airflow", str(program))
    for name in ("api-server", "scheduler", "dag-processor", "triggerer"):
        unit = tmp_path / f"airflow@{name}.service"
        unit.write_text(text)
        command = ["systemd-analyze", "verify", "--man=no", unit]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_systemd_finds_a_key_that_is_misspelt(tmp_path) -> None:
    unit = tmp_path / "airflow@scheduler.service"
    text = block("systemd", "/etc/systemd/system/airflow@.service").text
    unit.write_text(
        text.replace("StateDirectory=", "StateDirectries=").replace("/opt/airflow/bin/airflow", "/bin/true")
    )
    command = ["systemd-analyze", "verify", "--man=no", unit]
    assert "StateDirectries" in subprocess.run(command, capture_output=True, text=True, check=False).stderr
