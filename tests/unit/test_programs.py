"""Which browser and node the tests take, install or ask for; the machines are folders of small scripts."""

from pathlib import Path

import pytest

from tests.programs import Machine, MissingProgramError, browser, node

STARTS = "#!/bin/sh\necho Chromium 1.2\n"
DOES_NOT_START = "#!/bin/sh\necho 'Install the snap instead.' >&2\nexit 1\n"


class Lab:
    """A machine in a folder: its PATH, Playwright's cache, and what its programs were called with."""

    def __init__(self, folder: Path) -> None:
        self.path, self.cache, self.called = folder / "bin", folder / "cache", folder / "called"
        self.path.mkdir()
        self.called.touch()
        for tool in ("env", "sh", "chmod", "mkdir", "true"):
            found = next(p for d in ("/usr/bin", "/bin") if (p := Path(d) / tool).exists())
            (self.path / tool).symlink_to(found)

    def have(self, name: str, script: str = STARTS) -> Path:
        file = self.path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(script)
        file.chmod(0o755)
        return file

    def have_installer(self, name: str, *made: Path, script: str = STARTS, status: int = 0) -> None:
        """A program that notes its arguments and makes others."""
        steps = "mkdir -p '{0}'\nprintf '%s' '{1}' > '{2}'\nchmod 755 '{2}'\n"
        makes = "".join(steps.format(file.parent, script.replace("'", ""), file) for file in made)
        self.have(name, f'#!/bin/sh\necho "{name} $*" >> "{self.called}"\n{makes}exit {status}\n')

    def have_sudo(self, *, needs_password: bool = False) -> None:
        does = "exit 1" if needs_password else 'shift\nexec "$@"'
        self.have("sudo", f'#!/bin/sh\necho "sudo $*" >> "{self.called}"\n{does}\n')

    def machine(self, *, is_root: bool = False) -> Machine:
        return Machine(
            environment={"PATH": str(self.path), "PLAYWRIGHT_BROWSERS_PATH": str(self.cache)},
            is_root=is_root,
            playwright=(str(self.path / "playwright"), "install", "chromium"),
            applications=(),
        )

    @property
    def calls(self) -> list[str]:
        return self.called.read_text().splitlines()


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab(tmp_path)


@pytest.mark.parametrize("name", ["chromium", "chromium-browser", "google-chrome"])
def test_a_browser_that_is_there_is_taken_and_nothing_is_installed(lab, name):
    lab.have_installer("apt-get")
    lab.have_installer("playwright")
    there = lab.have(name)
    assert browser(lab.machine(is_root=True)) == there
    assert lab.calls == []


def test_playwright_s_own_cache_counts_and_its_newest_browser_is_taken(lab):
    for build in ("chromium-1100", "chromium-1200"):
        newest = lab.have(f"../cache/{build}/chrome-linux/chrome")
    assert browser(lab.machine()).samefile(newest)


def test_a_browser_that_does_not_start_is_passed_over(lab):
    lab.have("chromium", DOES_NOT_START)
    starts = lab.have("google-chrome")
    assert browser(lab.machine()) == starts


def test_debian_s_browser_is_installed_by_root(lab):
    lab.have_installer("apt-get", lab.path / "chromium")
    assert browser(lab.machine(is_root=True)) == lab.path / "chromium"
    assert lab.calls == [
        "apt-get -qq update",
        "apt-get -qq install --yes --no-install-recommends chromium fonts-dejavu-core",
    ]


def test_debian_s_browser_is_installed_by_sudo_that_asks_for_no_password(lab):
    lab.have_sudo()
    lab.have_installer("apt-get", lab.path / "chromium")
    assert browser(lab.machine()) == lab.path / "chromium"


@pytest.mark.parametrize("apt_get", ["fails", "installs a stand-in", "needs a password"])
def test_where_debian_s_does_not_come_playwright_downloads_its_own(lab, apt_get):
    if apt_get == "fails":
        lab.have_installer("apt-get", status=100)
    else:
        lab.have_installer("apt-get", lab.path / "chromium", script=DOES_NOT_START)
    if apt_get == "needs a password":
        lab.have_sudo(needs_password=True)
    cached = lab.cache / "chromium-1200" / "chrome-linux" / "chrome"
    lab.have_installer("playwright", cached)
    assert browser(lab.machine(is_root=apt_get != "needs a password")) == cached
    assert lab.calls[-1] == "playwright install chromium"


def test_without_any_browser_one_command_to_type_is_named(lab):
    lab.have_sudo(needs_password=True)
    lab.have_installer("apt-get")
    lab.have_installer("playwright", status=1)
    with pytest.raises(MissingProgramError) as told:
        browser(lab.machine())
    assert str(told.value).endswith("Type: sudo apt-get install chromium fonts-dejavu-core")
    assert not [call for call in lab.calls if call.startswith("apt-get")]


def test_without_apt_get_the_command_is_playwright_s(lab):
    lab.have_installer("playwright", status=1)
    with pytest.raises(MissingProgramError, match=r"Type: \S+/playwright install --with-deps chromium$"):
        browser(lab.machine())


@pytest.mark.parametrize("version", ["v18.18.0", "v20.20.2", "v24.1.0"])
def test_a_node_that_is_new_enough_and_has_npm_is_taken(lab, version):
    lab.have("npm")
    there = lab.have("node", f"#!/bin/sh\necho {version}\n")
    assert node(lab.machine(is_root=True)) == there


def test_node_and_npm_are_installed_from_debian(lab):
    lab.have("npm")
    lab.have_installer("apt-get", lab.path / "node", script="#!/bin/sh\necho v20.19.2\n")
    assert node(lab.machine(is_root=True)) == lab.path / "node"
    assert lab.calls[-1] == "apt-get -qq install --yes --no-install-recommends nodejs npm"


@pytest.mark.parametrize("has", ["an old node", "no npm", "nothing"])
def test_without_a_usable_node_one_command_to_type_is_named(lab, has):
    lab.have_installer("apt-get", status=100)
    if has == "an old node":
        lab.have("npm")
    if has != "nothing":
        lab.have("node", f"#!/bin/sh\necho v{'16.20' if has == 'an old node' else '22.1'}.0\n")
    with pytest.raises(MissingProgramError, match=r"Type: sudo apt-get install nodejs npm$"):
        node(lab.machine(is_root=True))
