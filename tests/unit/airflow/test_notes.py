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
