"""The pages of docs/deploy say what is so: names, keys and files that exist, blocks that parse."""

import configparser
import json
import re
import subprocess
import tomllib

import pytest
from airflow.configuration import retrieve_configuration_description
from airflow.sdk import Connection
from packaging.requirements import Requirement

from directory_sync.config.connections import fields_of
from directory_sync.config.settings import SyncSettings
from directory_sync.landing.place import landing_place
from tests.conftest import CHECKOUT
from tests.deploy.pages import BLOCKS, PLACES, STATE, block, path_of, state_of, text_of

SHELL = [one for one in BLOCKS if one.language == "sh"]
VERSION = "0.2.0"
"""The version that the pages write, for the reader's own."""


def test_the_index_and_the_readme_lead_to_each_page() -> None:
    assert sorted(path.stem for path in path_of("index").parent.glob("*.md")) == sorted((*PLACES, "index"))
    for page in PLACES:
        assert f"({page}.md)" in text_of("index")
        assert f"(docs/deploy/{page}.md)" in (CHECKOUT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("page", PLACES)
def test_each_page_says_where_state_is_and_what_was_not_tried(page: str) -> None:
    assert tuple(state_of(page)) == STATE
    assert all(state_of(page).values())
    head = text_of(page).split("\n## ")[0]
    assert "\n*Tried:* " in head
    assert "\n*Not tried:* " in head


def anchors(text: str) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", ["index", *PLACES])
def test_each_link_leads_to_a_heading_that_exists(page: str) -> None:
    for file, _, anchor in re.findall(r"\]\(((?!https?:)[^)#]*)(#([^)]+))?\)", text_of(page)):
        target = (path_of(page).parent / file).resolve() if file else path_of(page)
        assert target.is_file(), f"{page}: {file}"
        assert not anchor or anchor in anchors(target.read_text(encoding="utf-8")), f"{page}: {file}#{anchor}"


@pytest.mark.parametrize("one", [one for one in BLOCKS if one.language in ("json", "yaml")], ids=str)
def test_json_and_yaml_are_an_object(one) -> None:
    assert isinstance(one.data, dict)


@pytest.mark.parametrize("one", SHELL, ids=str)
def test_a_shell_reads_the_commands(one) -> None:
    done = subprocess.run(["bash", "-n"], input=one.text, text=True, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


OPTIONS = {
    (section, option)
    for section, described in retrieve_configuration_description().items()
    for option in described["options"]
} | {("directory_sync", name) for name in SyncSettings.__dataclass_fields__}


def options_of(one) -> set[tuple[str, str]]:
    """The Airflow options that a block names: as variables, in a vendor's JSON, in the chart's `config`."""
    variables = re.findall(r"\bAIRFLOW__([A-Z_]+?)__([A-Z_]+)\b", one.text)
    named = {(section.lower(), option.lower()) for section, option in variables}
    overrides = re.findall(r"--update-airflow-configs=(\S+)", one.text)
    named |= {tuple(given.split("=")[0].split("-")) for text in overrides for given in text.split(",")}
    if one.language == "json":
        keys = {**one.data, **one.data.get("AirflowConfigurationOptions", {})}
        named |= {tuple(re.split("[.-]", key, maxsplit=1)) for key in keys if re.search("[.-]", key)}
    if one.language == "yaml":
        named |= {(section, key) for section, keys in one.data.get("config", {}).items() for key in keys}
    return named


@pytest.mark.parametrize("one", [one for one in BLOCKS if options_of(one)], ids=str)
def test_airflow_has_each_option(one) -> None:
    assert options_of(one) <= OPTIONS


@pytest.mark.parametrize("page", ["index", *PLACES])
def test_each_variable_of_ours_is_a_setting_or_a_connection(page: str) -> None:
    settings = {f"DIRECTORY_SYNC_{name.upper()}" for name in SyncSettings.__dataclass_fields__}
    named = set(re.findall(r"\bDIRECTORY_SYNC_[A-Z0-9]\w*", text_of(page)))
    assert named <= settings
    connections = set(re.findall(r"\bAIRFLOW_CONN_\w+", text_of(page)))
    assert connections <= {f"AIRFLOW_CONN_DIRECTORY_{name}" for name in ("API", "WAREHOUSE", "LANDING")}


def test_each_requirement_is_this_package_with_extras_that_it_has() -> None:
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
    named = {
        (page, found)
        for page in PLACES
        for found in re.findall(r"\bdirectory-sync\[[\w,]+\](?:==[\d.]+)?", text_of(page))
    }
    assert {page for page, _ in named} == set(PLACES) - {"bundles"}
    for _, line in named:
        requirement = Requirement(line)
        assert requirement.name == project["name"]
        assert requirement.extras <= set(project["optional-dependencies"])
        assert requirement.specifier.contains(VERSION) or str(requirement.specifier) == "==0.2.1"


@pytest.mark.parametrize("page", ["mwaa", "composer", "helm"])
def test_a_landing_connection_of_a_page_is_one_of_ours(page: str) -> None:
    (one,) = (one for one in BLOCKS if one.page == page and one.title.endswith("directory_landing"))
    fields = fields_of("directory_landing", Connection.from_json(one.text, conn_id="directory_landing"))
    place = landing_place(fields, SyncSettings.from_environment())
    assert place.url == one.data["extra"]["bucket_url"]


def test_the_options_of_the_secrets_backends_are_json() -> None:
    kwargs = [
        block("helm", "values.yaml").data["config"]["secrets"]["backend_kwargs"],
        *re.findall(r'backend_kwargs": ("\{.*\}")', text_of("mwaa") + text_of("composer")),
    ]
    assert len(kwargs) == 3
    for text in kwargs:
        found = json.loads(json.loads(text)) if text.startswith('"') else json.loads(text)
        assert "connections_prefix" in found


INSTRUCTIONS = {"FROM", "RUN", "COPY", "ENV", "USER", "WORKDIR", "ARG", "LABEL", "CMD", "ENTRYPOINT"}


@pytest.mark.parametrize("page", ["astronomer", "helm"])
def test_a_dockerfile_has_known_instructions_and_runs_what_a_shell_reads(page: str) -> None:
    lines = [line for line in block(page, "Dockerfile").text.splitlines() if line and line[0] != "#"]
    steps = "\n".join(lines).replace("\\\n", " ").splitlines()
    assert steps[0].startswith("FROM ")
    for instruction, _, words in (step.partition(" ") for step in steps):
        assert instruction in INSTRUCTIONS
        if instruction == "RUN":
            subprocess.run(["bash", "-nc", words], check=True)


def test_pip_of_composer_reads_its_file() -> None:
    parser = configparser.ConfigParser()
    parser.read_string(block("composer", "pip.conf").text)
    assert parser["global"]["extra-index-url"].endswith("/simple/")
