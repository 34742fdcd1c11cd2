"""What the page of an approval shows of the API's text, and what a decision's note says."""

import re
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest
from markdown_it import MarkdownIt

from directory_sync.audit.report import Finding
from directory_sync.config.limits import RemovalLimits
from directory_sync.publish.question import Choice, Decision, Question, as_code, held_because

LIVE = [
    "http://evil.example/login",
    "https://evil.example",
    "www.evil.example",
    "someone@evil.example",
    "mailto:someone@evil.example",
    "[x](http://evil.example)",
    "<http://evil.example>",
    "![x](http://evil.example/x.png)",
    "a ` http://evil.example ` b",
    "`http://evil.example",
    "``http://evil.example`` www.evil.example",
    "@admin",
    "<script>",
    "a | b",
    "\\`http://evil.example",
]
LINKS = re.compile(r"https?://|www\.|@|\]\(|<")


def question(*sample: tuple[str, str]) -> Question:
    return Question(
        resource="people",
        sync_id="20260101T000000-0a1b2c3d",
        digest="d" * 64,
        held=len(sample),
        population=100,
        limits=RemovalLimits(),
        sample=sample,
        recent=(),
        reasons=(),
        table="directory.people",
    )


def outside_of_code(markdown: str) -> str:
    """The text less its inline code, by CommonMark's rule: a run of backticks closes with one as long."""
    return re.sub(r"(?<!`)(`+)(?!`)(.*?)(?<!`)\1(?!`)", "", markdown)


@pytest.mark.parametrize("text", LIVE)
def test_text_of_the_api_is_code_and_nothing_of_it_is_markup_or_a_link(text: str) -> None:
    for shown in (as_code(text), question((text, "")).body(), question(("1", text), ("2", "")).body()):
        assert not LINKS.search(outside_of_code(shown))
        assert text in shown


@pytest.mark.parametrize("text", LIVE)
def test_a_renderer_with_autolinks_makes_no_link_of_it(text: str) -> None:
    """The UI's looks for addresses behind escapes as well, this one does not: code is safe with both."""
    render = MarkdownIt("gfm-like").render
    assert "<a " in render("http://evil.example")
    for shown in (question((text, "")).body(), question(("1", text)).body()):
        html = render(shown)
        assert "<a " not in html
        assert "<img" not in html
        assert "<script" not in html


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("abc", "`abc`"),
        ("", ""),
        ("a\nb\t c", "`a b c`"),
        ("a`b", "``a`b``"),
        ("`", "`` ` ``"),
        ("\u202egnp.exe", "`\ufffdgnp.exe`"),
        ("a\u2066b\u2069", "`a\ufffdb\ufffd`"),
        ("a\x00b\x1b[31m", "`a\ufffdb\ufffd[31m`"),
        ("a\u200bb\ufeff", "`a\ufffdb\ufffd`"),
        ("\ud800", "`\ufffd`"),
        ("Zoë 東京", "`Zoë 東京`"),
        ("x" * 80, f"`{'x' * 80}`"),
        ("x" * 81, f"`{'x' * 80}…`"),
    ],
)
def test_what_cannot_be_seen_is_shown_as_such(text: str, shown: str) -> None:
    assert as_code(text) == shown


def test_labels_stand_beside_their_ids() -> None:
    assert "These: `1` `Main hall`, `2`." in question(("1", "Main hall"), ("2", "")).body().splitlines()


def test_no_more_entries_with_labels_are_shown_than_leave_the_buttons_in_sight() -> None:
    body = question(*((str(n), f"Hall {n}") for n in range(20))).body()
    assert "The first 8: `0` `Hall 0`, " in body
    assert "`7` `Hall 7`. " not in body
    assert body.count("Hall") == 8


def test_the_question_ends_at_a_moment_and_says_what_happens_then() -> None:
    until = datetime(2026, 3, 2, 1, 15, tzinfo=timezone(timedelta(hours=2)))
    assert "**Answer until 2026-03-01 23:15 UTC**; then it counts as Reject." in question().body(until)
    assert question().told(until)["until"] == "2026-03-01T23:15:00+00:00"


def test_a_question_without_labels_says_how_to_get_them() -> None:
    hint = "For names beside the ids, set `label_field` in dags/people.py."
    assert hint in replace(question(("1", "")), form_file="dags/people.py").body()
    assert "label_field" not in question(("1", "Hall")).body()


def test_the_reasons_count_no_other_population_than_the_question() -> None:
    limits = RemovalLimits()
    rules = [limits.of_one_run.rule, *(limit.rule for limit in limits.over_time)]
    findings = [Finding(rule=rule, level="hold", message="3 of 77 entries") for rule in rules]
    findings += [
        Finding(rule="unproven_walk", level="hold", message="Nothing proves it."),
        Finding(rule="size", level="warning", message="3 of 77 entries"),
    ]
    assert held_because(findings, limits) == (
        "More entries went missing in one run than its limits allow.",
        "More went missing within 7 days than the limits (10.0%, 1,000) allow.",
        "More went missing within 30 days than the limits (20.0%, 2,000) allow.",
        "Nothing proves it.",
    )


@pytest.mark.parametrize(
    ("choice", "words"),
    [
        ("approved", "the removal of 16 entries was approved"),
        ("rejected", "the removal of 16 entries was rejected; nothing was removed"),
        ("stale", "the approval for 16 entries was refused as stale; nothing was removed"),
    ],
)
def test_a_note_says_what_was_decided_why_and_by_whom(choice: Choice, words: str) -> None:
    decision = Decision(digest="d", choice=choice, reason=" a\ntest", by="vera")
    assert decision.note(16) == f"{words} (a test); answered by `vera`"


def test_an_answer_is_to_a_set_on_top_of_a_sync() -> None:
    assert question().bound == f"20260101T000000-0a1b2c3d:{'d' * 64}"
