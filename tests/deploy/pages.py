"""The pages of docs/deploy: their code blocks, and their tables of where state is."""

import json
import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.conftest import CHECKOUT

DOCS = CHECKOUT / "docs" / "deploy"
PLACES = ("mwaa", "composer", "astronomer", "helm", "bundles", "systemd")
"""The pages, one for each way to deploy."""

STATE = ("DuckDB file", "landing zone", "lock files", "shared by all", "settings", "upgrade")
"""The lines of each page's table of where state is."""

_BLOCK = re.compile(
    r'^```(?P<language>\w+)(?: title="(?P<title>[^"]+)")?\n(?P<text>.*?)^```$', re.MULTILINE | re.DOTALL
)


@dataclass(frozen=True)
class Block:
    """A code block of a page.

    Attributes:
        page: the page's name, without `.md`.
        title: the file that it is, or what it is about; empty: none.
    """

    page: str
    language: str
    title: str
    text: str

    @property
    def data(self) -> Any:
        """What the YAML or JSON says."""
        return json.loads(self.text) if self.language == "json" else yaml.safe_load(self.text)

    @property
    def variables(self) -> dict[str, str]:
        """The variables that it sets, as lines or exports of a shell."""
        words = shlex.split(self.text, comments=True)
        assignments = (re.fullmatch(r"([A-Z][A-Z0-9_]+)=(.*)", word, re.DOTALL) for word in words)
        return {found[1]: found[2] for found in assignments if found}

    def __str__(self) -> str:
        """Its page and what it is, for the name of a test."""
        return f"{self.page}: {self.title or self.language}"


def text_of(page: str) -> str:
    """The page's text."""
    return (DOCS / f"{page}.md").read_text(encoding="utf-8")


def blocks_of(page: str) -> list[Block]:
    """The code blocks of a page, in its order."""
    text = text_of(page)
    found = [Block(page, one["language"], one["title"] or "", one["text"]) for one in _BLOCK.finditer(text)]
    assert text.count("```") == 2 * len(found), f"{page}: a block has no language, or its title is not read"
    return found


BLOCKS = [block for page in ("index", *PLACES) for block in blocks_of(page)]


def block(page: str, title: str) -> Block:
    """The only block of a page with this title."""
    (found,) = (one for one in BLOCKS if (one.page, one.title) == (page, title))
    return found


def state_of(page: str) -> dict[str, str]:
    """The page's table of where state is."""
    section = text_of(page).split("\n## Where state is\n")[1].split("\n## ")[0]
    rows = [line.strip("| ").split(" | ", 1) for line in section.splitlines() if line.startswith("| ")]
    return dict(rows[1:])


def path_of(page: str) -> Path:
    """The page's file."""
    return DOCS / f"{page}.md"
