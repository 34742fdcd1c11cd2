"""docs/compatibility.md: the bounds are the wheel's, and no private part is used without a line there."""

import re
import tomllib

from packaging.requirements import Requirement

from tests.conftest import CHECKOUT

PAGE = (CHECKOUT / "docs" / "compatibility.md").read_text()
PROJECT = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
PACKAGE = CHECKOUT / "plugins" / "directory_sync"
OF_OURS = {"api/client.py"}
"""Where SLF001 is about a class of ours."""


def section(title: str) -> list[list[str]]:
    """The cells of the rows of a section's table."""
    text = PAGE.split(f"## {title}\n", 1)[1].split("\n## ", 1)[0]
    rows = [line.strip("|").split("|") for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row] for row in rows[2:]]


def bounds() -> dict[str, str]:
    return {row[0].lower(): row[1] for row in section("Bounds")}


def test_each_lower_bound_of_the_wheel_is_the_one_that_the_page_says_was_tried():
    extras = PROJECT["optional-dependencies"]
    required = [Requirement(text) for text in (*PROJECT["dependencies"], *extras["postgres"])]
    told = bounds()
    wanted = {one.name.lower(): str(one.specifier).removeprefix(">=") for one in required if one.specifier}
    assert {name: told.get(name) for name in wanted} == wanted
    assert PROJECT["requires-python"] == f">={told['python']}"


def test_no_upper_bound_stands_without_a_known_break():
    every = [
        *PROJECT["dependencies"],
        *(one for extra in PROJECT["optional-dependencies"].values() for one in extra),
    ]
    capped = [text for text in every if re.search(r"<|==|~=", text.partition(";")[0])]
    assert capped == []


def test_every_private_part_of_others_that_the_code_uses_stands_on_the_page():
    used = set()
    for path in PACKAGE.rglob("*.py"):
        if str(path.relative_to(PACKAGE)) in OF_OURS:
            continue
        for line in path.read_text().splitlines():
            if "noqa: SLF001" in line:
                code = line.partition("#")[0]
                used |= {(path.name, name) for name in re.findall(r"(?<!self)\.(_[a-zA-Z]\w*)", code)}
    named = section("Private and deprecated parts that we use")
    missing = {
        (file, name) for file, name in used if not any(name in row[0] and file in row[2] for row in named)
    }
    assert used
    assert missing == set()


def test_every_place_that_the_page_names_is_there():
    for row in section("Private and deprecated parts that we use"):
        for place in re.findall(r"`([a-z_/]+(?:\.py)?)`", row[2]):
            assert (PACKAGE / place).exists(), place
