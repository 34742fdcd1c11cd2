"""Declaring stage 1 costs a parse little: the capabilities of the landing need no configuration of dlt's."""

import dlt
import pytest
from dlt.common.normalizers.naming import NamingConvention, direct, snake_case

from directory_sync.config.dlt_provider import own_dlt
from directory_sync.extract.declared import LandingDestination


@pytest.mark.parametrize("naming", [None, snake_case.NamingConvention(), direct.NamingConvention()])
def test_the_landing_has_the_capabilities_of_dlts_own_destination(naming: NamingConvention | None) -> None:
    with own_dlt():
        ours, dlts = LandingDestination(), dlt.destinations.filesystem()
        assert dict(ours.capabilities(naming=naming)) == dict(dlts.capabilities(naming=naming))


def test_the_landing_is_dlts_destination_by_name_and_type() -> None:
    with own_dlt():
        ours, dlts = LandingDestination(), dlt.destinations.filesystem()
    assert (ours.destination_name, ours.destination_type) == (dlts.destination_name, dlts.destination_type)


def test_no_configuration_is_looked_up_for_the_capabilities() -> None:
    asked: list[str] = []
    with own_dlt({"filesystem.bucket_url": lambda: asked.append("bucket_url")}):
        LandingDestination().capabilities()
        assert asked == []
        dlt.destinations.filesystem().capabilities()
    assert asked
