"""The page about lists shows forms that parse, and every option of every paginator."""

import ast
import re
from pathlib import Path

import pytest

from directory_sync.config import paginator
from directory_sync.config.form import parse_form

PAGE = (Path(__file__).parents[3] / "docs" / "lists.md").read_text(encoding="utf-8")
FORMS = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)


@pytest.mark.parametrize("form", FORMS)
def test_a_form_of_the_page_parses(form: str) -> None:
    resource = ast.literal_eval(form)
    [parsed] = parse_form({"client": {"auth": {"type": "oauth2"}}, "resources": [resource]})
    assert parsed.name == resource["name"]


def test_the_page_has_forms() -> None:
    assert len(FORMS) == 2


def test_the_page_names_every_option_and_no_other() -> None:
    options = PAGE.partition("## Options")[2].partition("In the endpoint")[0]
    rows = [line.split("|")[1] for line in options.splitlines() if line.startswith("| `")]
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    known = paginator._OFFSET_KEYS | paginator._NUMBERED_KEYS
    known |= {
        key
        for keys in (*paginator._LINKED_OPTIONS.values(), *paginator._LINKED_OURS.values())
        for key in keys
    }
    assert named == known - {"type"} | {"maximum_offset", "maximum_page"}
