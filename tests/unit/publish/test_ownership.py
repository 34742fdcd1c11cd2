"""A landing folder belongs to one directory, and a rename has a way out."""

from pathlib import Path

import pytest

from directory_sync.errors import ConfigError
from directory_sync.landing.place import LandingPlace
from directory_sync.landing.snapshot import LandedSnapshot
from directory_sync.landing.zone import Landing
from directory_sync.publish.ownership import Owner, claim_landing, owner_of

FIRST, SECOND = Owner(name="api/first"), Owner(name="partners_api/second")


@pytest.fixture
def landed(tmp_path: Path) -> LandedSnapshot:
    return Landing(LandingPlace(url=str(tmp_path))).snapshot("people", "run")


def test_another_directory_is_refused_before_it_lands_anything(landed: LandedSnapshot) -> None:
    claim_landing(landed, FIRST)
    claim_landing(landed, FIRST)
    with pytest.raises(ConfigError, match="belongs to the directory `api/first`, and this one is"):
        claim_landing(landed, SECOND)
    assert owner_of(landed.of_resource()) == "api/first"


def test_a_renamed_directory_takes_its_folder_over_once(landed: LandedSnapshot) -> None:
    claim_landing(landed, FIRST)
    renamed = Owner(name="partners_api/second", formerly=["api/first"])
    claim_landing(landed, renamed)
    claim_landing(landed, SECOND)
    with pytest.raises(ConfigError, match="partners_api/second"):
        claim_landing(landed, FIRST)
