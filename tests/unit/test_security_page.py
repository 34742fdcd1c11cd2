"""Each line of the threat model names tests, and each test that it names exists."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "security.md").read_text()
NAMED = re.compile(r"`(?P<file>[\w/]+/test_\w+\.py)::(?P<name>test_\w+)`")


@cache
def names_in(file: str) -> frozenset[str]:
    tree = ast.parse((ROOT / "tests" / file).read_text())
    return frozenset(node.name for node in tree.body if isinstance(node, ast.FunctionDef))


def lines_shown_by_tests(page: str) -> Iterator[tuple[str, str]]:
    """(line, its last cell) of the tables whose last column says what shows it."""
    is_shown = False
    for line in page.splitlines():
        last = line.strip("|").split("|")[-1].strip()
        if not line.startswith("|"):
            is_shown = False
        elif last == "shown by":
            is_shown = True
        elif is_shown and not line.startswith("|---"):
            yield line, last


LINES = list(lines_shown_by_tests(PAGE))


def test_the_page_has_lines_of_all_its_tables() -> None:
    assert len(LINES) > 50
    assert len(re.findall(r"shown by \|$", PAGE, re.MULTILINE)) == PAGE.count("\n## ") - 1


@pytest.mark.parametrize(("line", "cell"), LINES, ids=[line[2:50] for line, _ in LINES])
def test_each_line_names_tests_that_exist(line: str, cell: str) -> None:
    named = [(found["file"], found["name"]) for found in NAMED.finditer(cell)]
    assert named, f"no test is named: {line}"
    assert NAMED.sub("", cell).strip(", ") == "", f"no name of a test: {cell}"
    assert [f"{file}::{name}" for file, name in named if name not in names_in(file)] == []


def test_a_line_without_a_test_is_seen() -> None:
    page = "| a | shown by |\n|---|---|\n| b | nothing |\n\n| c | d |\n|---|---|\n| e | f |\n"
    assert list(lines_shown_by_tests(page)) == [("| b | nothing |", "nothing")]
