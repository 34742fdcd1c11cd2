"""What each mode of a run means."""

import pytest

from directory_sync.config.mode import Mode

MEANING = {
    #           reads_api publishes is_partial is_full writes rewrites
    "sync":     (True,    True,     False,     True,   True,  False),
    "interval": (True,    True,     True,      False,  True,  False),
    "dry_run":  (True,    False,    False,     True,   False, False),
    "decide":   (False,   False,    False,     False,  True,  False),
    "replay":   (False,   True,     False,     False,  True,  False),
    "rewrite":  (True,    True,     False,     True,   True,  True),
}  # fmt: skip


def test_every_mode_is_in_the_table() -> None:
    assert set(MEANING) == set(Mode)


@pytest.mark.parametrize("mode", MEANING)
def test_what_follows_from_a_mode(mode: str) -> None:
    one = Mode(mode)
    means = (one.reads_api, one.publishes, one.is_partial, one.is_full, one.writes, one.rewrites)
    assert means == MEANING[mode]
