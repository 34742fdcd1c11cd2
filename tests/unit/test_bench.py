"""The bench's own arithmetic."""

import xml.etree.ElementTree as ET
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from bench import __main__ as command
from bench import airflow_runs, bucket, contenders, rates, scale
from bench.__main__ import _turns
from bench.bucket import BucketUse, StageUse
from bench.chart import chart, shown_case
from bench.contenders import Case, Result
from bench.figures import Spread, summary, table, tables
from bench.measure import Used
from bench.outcome import Outcome
from bench.parse import ParseCost
from bench.rates import WARM_UP_SECONDS, Use, steady_share

RESULT = Result(
    contender="first",
    entries=100,
    latency_ms=50.0,
    seconds=2.0,
    work_seconds=1.5,
    cpu_seconds=1.0,
    peak_mb=200.0,
    requests=10,
    refused=0,
    server_cpu_seconds=0.1,
    is_right=True,
    stages=[],
)

FOLDER = BucketUse(
    entries=100,
    latency_ms=5.0,
    night="first load",
    place="folder",
    stages=[StageUse(name="audit", seconds=0.5)],
    is_right=True,
)
BUCKET = replace(
    FOLDER,
    place="bucket",
    stages=[StageUse(name="audit", seconds=2.0, requests={"GET": 3, "HEAD": 4})],
)


def used(name, seconds):
    return Used(name=name, seconds=seconds, work_seconds=seconds, cpu_seconds=1.0, peak_mb=100.0)


@pytest.mark.parametrize(
    ("values", "expected"), [([3.0], (3, 3, 3)), ([5, 1, 2], (2, 1, 5)), ([4, 1, 3, 2], (2.5, 1, 4))]
)
def test_a_spread_is_the_median_and_the_range(values, expected):
    spread = Spread.of(values)
    assert (spread.median, spread.least, spread.most) == expected


def test_ratios_are_of_medians_to_our_first_load():
    floors = [replace(RESULT, contender="floor", seconds=seconds) for seconds in (0.5, 1.0, 9.0)]
    lines = summary([*floors, RESULT])[False, 100, 50.0]
    assert [(line.contender, line.rounds, line.times_first) for line in lines] == [
        ("first", 1, 1.0),
        ("floor", 3, 0.5),
    ]


def test_cases_are_not_mixed():
    others = [replace(RESULT, airflow=True), replace(RESULT, entries=7), replace(RESULT, latency_ms=0.0)]
    assert len(summary([RESULT, *others])) == 4


def test_several_cases_are_shown_at_a_glance_before_the_tables_of_each():
    larger = replace(RESULT, entries=5_000, seconds=7.0)
    rounds = [RESULT, replace(RESULT, seconds=4.0), larger, replace(larger, contender="first_preloaded")]
    shown = tables([*rounds, replace(RESULT, airflow=True)])
    assert shown[:7] == [
        "",
        "Seconds without Airflow, of each case",
        "",
        "| entries, a page | first | first, preloaded |",
        "| --------------- | ----: | ---------------: |",
        "| 100, 50 ms      |   3.0 |                  |",
        "| 5,000, 50 ms    |   7.0 |              7.0 |",
    ]
    assert "Seconds under Airflow, of each case" not in shown, "one case needs none"


def test_one_wrong_table_among_several_rounds_is_shown():
    assert "WRONG TABLE" in "\n".join(tables([RESULT, replace(RESULT, is_right=False)]))
    assert "WRONG TABLE" not in "\n".join(tables([RESULT, RESULT]))


def test_a_table_is_markdown_with_aligned_columns():
    assert table(["", "s"], [["a", "10"], ["long", "5"]]) == [
        "|      |  s |",
        "| ---- | -: |",
        "| a    | 10 |",
        "| long |  5 |",
    ]


def test_without_airflow_the_work_is_compared_with_the_floors_work():
    floor = replace(RESULT, contender="floor", seconds=9.0, work_seconds=0.5)
    assert [line.times_floor for line in summary([floor, RESULT])[False, 100, 50.0]] == [3.0, 1.0]
    assert "times the floor" in "\n".join(tables([floor, RESULT]))
    assert summary([RESULT])[False, 100, 50.0][0].times_floor is None


def test_under_airflow_the_median_of_each_wait_is_told():
    waits = [{"extract": 2.0, "the end": 1.0}, {"extract": 4.0}, {"extract": 9.0, "the end": 2.0}]
    runs = [replace(RESULT, airflow=True, waits=one) for one in waits]
    [line] = summary(runs)[True, 100, 50.0]
    assert line.waits == {"extract": 4.0, "the end": 1.0}
    assert line.wait_seconds.median == 4.0
    assert "- ours, first load: extract 4.0, the end 1.0" in tables(runs)


def test_the_work_of_a_peer_is_not_compared_with_the_floors():
    floor, peer = (replace(RESULT, contender=name) for name in ("floor", "singer"))
    found = {line.contender: line.times_floor for line in summary([floor, peer])[False, 100, 50.0]}
    assert found == {"singer": None, "floor": 1.0}


def test_what_waits_for_minutes_runs_once_and_the_others_every_round():
    long, short = Case(entries=100_000, latency_ms=200), Case(entries=100_000, latency_ms=50)
    found = list(_turns([long, short], ["defaults", "ours"], 3, None))
    assert [found.count((name, long)) for name in ("defaults", "ours")] == [1, 3]
    assert [found.count((name, short)) for name in ("defaults", "ours")] == [3, 3]


def test_preloaded_tasks_have_an_airflow_of_their_own(monkeypatch):
    ran = []

    def airflow(_server, *, environment):
        switch = environment["DIRECTORY_SYNC_PRELOAD"]
        contest = SimpleNamespace(run=lambda player, _case: ran.append((player, switch)) or [])
        return nullcontext(contest)

    monkeypatch.setattr(airflow_runs.Contest, "running", airflow)
    monkeypatch.setattr(contenders, "run", lambda player, *_: ran.append((player, "no Airflow")) or [])
    given = ["--sizes", "100", "--airflow-rounds", "1", "--only"]
    command._contest(command._parser().parse_args([*given, "ours,preloaded,floor"]), None, Outcome())
    assert ran == [("ours", "no Airflow"), ("floor", "no Airflow"), ("ours", "False"), ("preloaded", "True")]
    ran.clear()
    command._contest(command._parser().parse_args([*given, "preloaded"]), None, Outcome())
    assert ran == [("preloaded", "True")]


def test_a_saved_outcome_is_read_again_with_the_same_tables(tmp_path):
    spread = Spread.of([1.0, 3.0])
    outcome = Outcome(
        runs=[replace(RESULT, airflow=True, waits={"audit": 1.0}, stages=[[used("audit", 2.0)]])],
        rates=[
            Use(
                allowed=20,
                is_given=True,
                says_when=True,
                share=None,
                share_of_all=1.0,
                refused_share=0.0,
                seconds=30.0,
            )
        ],
        parse=[ParseCost(airflow=spread, dlt=spread, dag_file=spread, dag_file_again=spread)],
        scale=[replace(RESULT, stages=[[used("audit", 2.0)]])],
        buckets=[FOLDER, BUCKET],
        path=tmp_path / "results.json",
    )
    outcome.save()
    assert Outcome.load(tmp_path / "results.json") == outcome
    assert len([line for line in outcome.lines() if line.startswith("| -")]) == 5


@pytest.mark.parametrize(("is_given", "nights"), [(True, [1]), (False, [1, 2])])
def test_a_rate_that_is_not_given_has_an_audit_and_a_second_night(monkeypatch, is_given, nights):
    ran = []

    def run(names, arguments, *, environment):
        assert Path(environment["TMPDIR"]).is_dir()
        ran.append((names[0], arguments["run_id"], arguments.get("requests_per_second")))

    monkeypatch.setattr(rates, "run_together", run)
    told = {"served_at": [0.0, *(10 + number / 10 for number in range(100))], "refused": 1}
    server = SimpleNamespace(url="http://127.0.0.1:1", put=lambda **_: None, told=lambda: told)
    allowance = rates.Allowance(allowed=10.0, is_given=is_given, says_when=True, says_left=False)
    uses = list(rates.measure(server, allowance, seconds=10.0))
    assert [use.night for use in uses] == nights
    assert uses[-1].share == pytest.approx(1)
    given = 10.0 if is_given else None
    pulls = [
        ("extract_0", "manual__1", given),
        ("audit", "manual__1", given),
        ("extract_0", "manual__2", given),
    ]
    assert ran == pulls[: 2 * len(nights) - 1]


def test_another_warehouse_is_compared_stage_by_stage():
    stages = [[used("extract.shard_0", 2.0), used("extract.shard_1", 4.0)], [used("publish", 5.0)]]
    slower = [[used("extract.shard_0", 6.0)], [used("publish", 20.0)]]
    lines = scale.lines([
        replace(RESULT, seconds=10.0, stages=stages),
        replace(RESULT, seconds=30.0, stages=slower, warehouse="PostgreSQL"),
    ])  # fmt: skip
    assert [line.split() for line in lines[-3:]] == [
        ["|", "extract", "|", "4.0", "|", "6.0", "|", "1.5", "|"],
        ["|", "publish", "|", "5.0", "|", "20.0", "|", "4.0", "|"],
        ["|", "the", "run", "|", "10.0", "|", "30.0", "|", "3.0", "|"],
    ]


def test_a_bucket_is_compared_with_the_folder_of_the_same_night():
    other = replace(FOLDER, night="nothing changed", stages=[StageUse(name="audit", seconds=0.1)])
    last = bucket.lines([FOLDER, other, BUCKET])[-1]
    assert "| 100 at 5 ms, first load, audit |" in last
    assert last.replace(" ", "").split("|")[2:7] == ["0.50", "2.00", "4.0", "7", "3GET,4HEAD"]


def test_the_steady_share_leaves_out_the_warm_up_and_the_end():
    burst = [0.0] * 50
    steady = [WARM_UP_SECONDS + number / 10 for number in range(400)]
    slow_end = [steady[-1] + 30.0 * number for number in range(1, 51)]
    assert steady_share([*burst, *steady, *slow_end], 20.0) == pytest.approx(0.5)
    assert steady_share(burst, 20.0) is None


def texts_of(picture):
    return [found.text for found in ET.fromstring(picture).iter("{http://www.w3.org/2000/svg}text")]


def test_the_chart_shows_each_contender_once_by_the_runs_under_airflow():
    under_airflow = replace(RESULT, airflow=True, seconds=4.0)
    slower = replace(under_airflow, contender="defaults", seconds=40.0)
    texts = texts_of(chart([RESULT, under_airflow, slower]))
    assert texts[1:] == ["the seed's configuration, dlt's defaults", "10.0", "ours, first load", "1.0"]


def test_the_chart_marks_what_ran_without_airflow_and_compares_it_with_ours_there():
    under_airflow = replace(RESULT, airflow=True, seconds=20.0)
    peer = replace(RESULT, contender="singer", seconds=6.0)
    texts = texts_of(chart([RESULT, under_airflow, peer]))
    assert texts[1:] == ["ours, first load", "1.0", "Singer's SDK, target-duckdb (without Airflow)", "3.0"]


def test_the_chart_is_of_the_largest_list_at_fifty_milliseconds():
    runs = [
        replace(RESULT, entries=entries, latency_ms=latency_ms)
        for entries, latency_ms in ((100, 50.0), (1000, 50.0), (1000, 200.0))
    ]
    assert shown_case(runs) == [runs[1]]
    assert shown_case(runs[2:]) == [runs[2]]
