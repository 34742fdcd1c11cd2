"""What the note on a run says, and what of an older note stays."""

from directory_sync.airflow.notes import FAILURE, SUCCESS, compose

OUTCOME = "directory_resource: 28,403 entries: +12 ~41 −3; 284 joints proven, 0 bridged"


def test_the_outcome_is_the_first_line() -> None:
    note = compose([OUTCOME], mark=SUCCESS, reason=None, seconds=8.6, before=None)
    assert note == f"✔ {OUTCOME}; 9 s"


def test_each_task_has_its_line_and_the_reason_comes_last() -> None:
    note = compose([OUTCOME, "approved"], mark=SUCCESS, reason=" a  reason\n", seconds=1, before=None)
    assert note.split("\n\n") == [f"✔ {OUTCOME}; 1 s", "✔ approved", "✎ a reason"]


def test_a_persons_own_note_stays_in_front() -> None:
    assert compose(["done"], mark=SUCCESS, reason=None, seconds=None, before="look at this").startswith(
        "look at"
    )


def test_a_run_that_is_cleared_has_its_lines_put_together_anew() -> None:
    first = compose(["`audit` failed"], mark=FAILURE, reason="a test", seconds=5, before="mine")
    second = compose([OUTCOME], mark=SUCCESS, reason="a test", seconds=7, before=first)
    assert second.split("\n\n") == ["mine", f"✔ {OUTCOME}; 7 s", "✎ a test"]


def test_a_note_fits_into_airflows_database() -> None:
    said = [f"`extract.directory_shard_{n}-2` failed: " + "a long message. " * 40 for n in range(5)]
    note = compose(said, mark=FAILURE, reason="r" * 500, seconds=1.0, before="mine")
    assert len(note) == 1000
    assert note.endswith("(see the tasks' logs)")


def test_what_several_tasks_say_alike_is_said_once() -> None:
    assert compose(["same", "same", "same"], mark=FAILURE, reason=None, seconds=None, before=None) == "✖ same"


def shard(number: int, cause: str) -> str:
    return f"**`extract.directory_shard_{number}-2` failed.** {cause}"


def test_shards_that_failed_for_the_same_cause_have_one_line_that_says_how_many() -> None:
    said = [
        shard(n, f"ApiUnavailableError: offset {n}00: status 503.\nNothing was published.") for n in range(4)
    ]
    note = compose(said, mark=FAILURE, reason=None, seconds=62.0, before=None)
    assert note == (
        "✖ **4 tasks of `extract` failed.** ApiUnavailableError: offset 000: status 503.\n"
        "Nothing was published.; 62 s"
    )


def test_tasks_that_failed_for_different_causes_have_a_line_each() -> None:
    said = [shard(0, "AuthError: no"), shard(1, "ConfigError: no"), shard(2, "AuthError: no"), "left"]
    lines = compose(said, mark=FAILURE, reason=None, seconds=None, before=None).split("\n\n")
    assert lines == [
        "✖ **2 tasks of `extract` failed.** AuthError: no",
        "✖ **`extract.directory_shard_1-2` failed.** ConfigError: no",
        "✖ left",
    ]
