"""The report says the same to people, to XCom and to the warehouse."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from directory_sync.audit.report import AuditReport, Completeness, Fields, Finding, Holds, Origin
from directory_sync.config import columns
from directory_sync.config.kinds import KINDS
from directory_sync.config.mode import Mode

AT = datetime(2026, 6, 1, 3, 0, 0, 123456, tzinfo=UTC)
REPORT = AuditReport(
    origin=Origin(
        sync_id="20260601T030000-0a1b2c3d",
        base_sync_id=None,
        resource="people",
        run_id="scheduled__2026-06-01",
        mode=Mode.SYNC,
        snapshot_at=AT,
        last_requested_at=AT,
        settings_fingerprint="f",
        id_type="BIGINT",
    ),
    entries=1_234,
    unchanged=1_200,
    changes={"added": 1_000, "changed": 3, "removed": 2},
    holds=Holds(held=7, held_digest="d"),
    completeness=Completeness(joints=41, bridged=2),
    fields=Fields(field_shares={"name": {"string": 1.0}}),
    findings=(Finding(rule="size", level="warning", message="large"),),
)
LANDED = {
    "sync_id": "20260601T030000-0a1b2c3d",
    "base_sync_id": None,
    "resource": "people",
    "run_id": "scheduled__2026-06-01",
    "mode": "sync",
    "snapshot_at": "2026-06-01T03:00:00.123456+00:00",
    "last_requested_at": "2026-06-01T03:00:00.123456+00:00",
    "settings_fingerprint": "f",
    "id_type": "BIGINT",
    "entries": 1_234,
    "unchanged": 1_200,
    "changes": {"added": 1_000, "changed": 3, "removed": 2},
    "population": 0,
    "newly_missing": 0,
    "held": 7,
    "newly_held": 0,
    "held_digest": "d",
    "asks": False,
    "order": "assumed",
    "proof": "chain",
    "windows": 0,
    "joints": 41,
    "bridged": 2,
    "requests": 0,
    "retries": 0,
    "refused": 0,
    "rewritten": 0,
    "rejected": 0,
    "changed_fields": {},
    "field_shares": {"name": {"string": 1.0}},
    "findings": [{"rule": "size", "level": "warning", "message": "large"}],
    "skipped": None,
    "publication_order": None,
    "directory": None,
}
"""The report as the release before its parts had names landed it."""
SINCE = {"key": ["id"], "left_out": 0, "parent_sync_id": None, "read_from": None}
SINCE |= {"dataset": None, "new_columns": {}, "null_columns": {}}
"""What has been added since."""


def test_the_json_of_a_report_is_flat_as_it_always_was() -> None:
    assert json.loads(json.dumps(REPORT.as_json())) == {**LANDED, **SINCE}


def test_a_report_that_an_older_release_landed_is_read() -> None:
    assert AuditReport.from_json(LANDED) == REPORT
    later = {"publication_order", "directory", "rejected"}
    assert AuditReport.from_json({key: LANDED[key] for key in LANDED.keys() - later}) == REPORT


def test_a_report_takes_the_number_of_its_publication() -> None:
    numbered = json.loads(json.dumps(REPORT.numbered(3).as_json()))
    assert numbered == {**LANDED, **SINCE, "publication_order": 3}


def test_a_report_survives_json() -> None:
    assert AuditReport.from_json(json.loads(json.dumps(REPORT.as_json()))) == REPORT


def test_a_report_of_a_later_version_is_read() -> None:
    assert AuditReport.from_json({**REPORT.as_json(), "a_later_field": 1}) == REPORT


def test_the_headline_counts_what_changed() -> None:
    headline = REPORT.headline()
    assert headline.startswith("people: 1,234 entries: +1,000 ~3 −2, 7 held; ")
    assert "41 joints" in headline


@pytest.mark.parametrize("kind", ["returned", "missing", "reshaped"])
def test_the_headline_names_other_kinds_only_where_there_are_some(kind: str) -> None:
    assert kind not in REPORT.headline()
    assert f"5 {kind}" in replace(REPORT, changes={kind: 5}).headline()


def test_a_skipped_report_says_why() -> None:
    assert replace(REPORT, skipped="it is older").headline() == "people: skipped, it is older"


def test_the_lines_tell_every_kind_and_every_finding() -> None:
    text = "\n".join(REPORT.lines())
    assert all(kind in text for kind in KINDS)
    assert "warning: large" in text


def test_the_lines_tell_where_it_was_read_where_that_is_known() -> None:
    where = "https://directory.example.org (connection `directory_api`)"
    assert f"read from      {where}" in replace(REPORT, read_from=where).lines()
    assert not any(line.startswith("read from") for line in REPORT.lines())


def test_the_summary_leaves_the_shares_of_fields_out() -> None:
    summary = REPORT.summary()
    assert "field_shares" not in summary
    assert summary["changes"] == {"added": 1_000, "changed": 3, "removed": 2}
    assert json.loads(json.dumps(summary)) == summary


@pytest.mark.parametrize(
    ("changes", "rewritten", "is_nothing"),
    [({}, 0, True), ({"added": 0}, 0, True), ({"missing": 1}, 0, False), ({}, 3, False)],
)
def test_a_report_without_changes_says_so(changes: dict[str, int], rewritten: int, is_nothing: bool) -> None:
    assert replace(REPORT, changes=changes, rewritten=rewritten).changes_nothing is is_nothing


def test_the_row_of_a_sync_counts_every_kind_and_holds_the_report() -> None:
    values = REPORT.sync_values()
    assert [values[kind] for kind in KINDS] == [1_000, 3, 0, 0, 2, 0]
    assert json.loads(values["report"]) == REPORT.as_json()
    assert values["snapshot_at"] == AT
    assert tuple(values) == columns.names(columns.SYNCS)
