"""The page and Python name the same things: one module of JavaScript is written from Python."""

import re

import pytest

from directory_sync.config.kinds import KINDS, Proof
from directory_sync.config.mode import Mode
from directory_sync.config.names import PageKey, Stage
from directory_sync.ui.facts import FACTS, facts_js

SCRIPTS = sorted(path for path in FACTS.parent.glob("*.js") if path != FACTS)


def test_the_pages_facts_are_those_of_python() -> None:
    assert FACTS.read_text(encoding="utf-8") == facts_js(), (
        "Write them anew: PYTHONPATH=plugins python -m directory_sync.ui.facts"
    )


@pytest.mark.parametrize("name", [*(one.value for one in (*Proof, *Mode, Stage.APPROVE_REMOVALS)), *KINDS])
def test_no_script_of_the_page_compares_with_a_fact_of_its_own(name: str) -> None:
    compared = re.compile(rf'[=!]== "{name}"|"{name}" [=!]==|^  {name}: "', re.MULTILINE)
    assert not [path.name for path in SCRIPTS if compared.search(path.read_text(encoding="utf-8"))]


@pytest.mark.parametrize("key", PageKey)
def test_no_script_names_a_parameter_of_the_page_itself(key: str) -> None:
    assert not [path.name for path in SCRIPTS if f'query.get("{key}")' in path.read_text(encoding="utf-8")]
