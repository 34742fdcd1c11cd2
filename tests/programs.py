"""The programs that the tests need beside Python: a browser, node and npm.

A program that is there is taken; otherwise it is installed where that is allowed; otherwise one command to
type is named before the first test. `python -m tests.programs browser node` does this for both.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
OF_MACOS = Path("/Applications/Google Chrome.app/Contents/MacOS/Google Chrome")
IN_CACHE = (
    "chromium-*/chrome-linux*/chrome",
    "chromium-*/chrome-mac*/*.app/Contents/MacOS/*",
)
LEAST_NODE = (18, 18)
"""The oldest node that eslint runs on."""


class MissingProgramError(Exception):
    """A program is missing and cannot be installed by itself; the message holds the command to type."""


@dataclass(frozen=True, kw_only=True)
class Machine:
    """Where programs are looked for, and what may be installed.

    Attributes:
        environment: its PATH, and Playwright's cache where that is not the usual one.
        is_root: whether apt-get needs no sudo.
        playwright: the command that downloads Playwright's own browser.
        applications: browsers outside the PATH.
    """

    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    is_root: bool = field(default_factory=lambda: os.geteuid() == 0)
    playwright: Sequence[str] = (sys.executable, "-m", "playwright", "install", "chromium")
    applications: Sequence[Path] = (OF_MACOS,)

    def program(self, name: str) -> Path | None:
        """The program of this name on the PATH."""
        found = shutil.which(name, path=self.environment.get("PATH", ""))
        return Path(found) if found else None

    def browser(self) -> Path | None:
        """A Chrome or Chromium that starts; None where there is none."""
        on_path = [path for name in BROWSERS if (path := self.program(name))]
        cached = [path for pattern in IN_CACHE for path in sorted(self._cache().glob(pattern), reverse=True)]
        # A browser that cannot start here, such as Ubuntu's stand-in for a snap, answers no question.
        return next((path for path in (*on_path, *self.applications, *cached) if self._said(path)), None)

    def node(self) -> Path | None:
        """A node that is new enough and has npm beside it; None where there is none."""
        node = self.program("node")
        if node is None or self.program("npm") is None:
            return None
        said = self._said(node).strip().removeprefix("v")
        version = tuple(int(part) for part in said.split(".")[:2] if part.isdecimal())
        return node if version >= LEAST_NODE else None

    def run(self, *command: str) -> bool:
        """Runs a command, its output on stderr; tells whether it succeeded."""
        environment = dict(self.environment)
        return subprocess.run(command, check=False, env=environment, stdout=sys.stderr).returncode == 0

    def install(self, *packages: str) -> bool:
        """Installs Debian packages where that is allowed without a password; tells whether it did."""
        apt_get, sudo = self.program("apt-get"), self.program("sudo")
        if apt_get is None:
            return False
        as_root: list[str] = []
        if not self.is_root:
            if sudo is None or not self.run(str(sudo), "-n", "true"):
                return False
            as_root = [str(sudo), "-n"]
        print(f"Installing {', '.join(packages)}.", file=sys.stderr)
        apt = [*as_root, "env", "DEBIAN_FRONTEND=noninteractive", str(apt_get), "-qq"]
        wanted = ("install", "--yes", "--no-install-recommends", *packages)
        return self.run(*apt, "update") and self.run(*apt, *wanted)

    def to_install(self, *packages: str) -> str | None:
        """The command that a person may type; None where there is no apt-get."""
        return f"sudo apt-get install {' '.join(packages)}" if self.program("apt-get") else None

    def _cache(self) -> Path:
        usual = "Library/Caches" if sys.platform == "darwin" else ".cache"
        home = Path(self.environment.get("HOME", "/nonexistent"))
        return Path(self.environment.get("PLAYWRIGHT_BROWSERS_PATH") or home / usual / "ms-playwright")

    def _said(self, program: Path) -> str:
        """What a program says of its version; nothing where it does not start."""
        if not os.access(program, os.X_OK):
            return ""
        said = subprocess.run(
            [program, "--version"], check=False, capture_output=True, text=True, env=dict(self.environment)
        )
        return said.stdout if said.returncode == 0 else ""


def browser(machine: Machine) -> Path:
    """Returns the browser of the tests: one that is there, else Debian's, else Playwright's own.

    Raises:
        MissingProgramError: there is none, and none can be installed.
    """
    if found := machine.browser():
        return found
    packages = ("chromium", "fonts-dejavu-core")
    if machine.install(*packages) and (found := machine.browser()):
        return found
    if machine.run(*machine.playwright) and (found := machine.browser()):
        return found
    by_playwright = f"{' '.join(machine.playwright[:-1])} --with-deps {machine.playwright[-1]}"
    command = machine.to_install(*packages) or by_playwright
    raise MissingProgramError(
        f"No Chrome or Chromium that starts was found. Nothing was tested. Type: {command}"
    )


def node(machine: Machine) -> Path:
    """Returns the node of the JavaScript tests: one that is there, else Debian's.

    Raises:
        MissingProgramError: there is none, or it is too old or has no npm, and none can be installed.
    """
    if found := machine.node():
        return found
    packages = ("nodejs", "npm")
    if machine.install(*packages) and (found := machine.node()):
        return found
    command = machine.to_install(*packages) or "brew install node"
    least = ".".join(map(str, LEAST_NODE))
    raise MissingProgramError(
        f"No node {least} or newer with npm was found. Nothing was tested. Type: {command}"
    )


PROGRAMS: Mapping[str, Callable[[Machine], Path]] = {"browser": browser, "node": node}


if __name__ == "__main__":
    for name in sys.argv[1:]:
        try:
            PROGRAMS[name](Machine())
        except MissingProgramError as error:
            sys.exit(str(error))
