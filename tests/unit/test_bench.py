"""The bench's own arithmetic."""

import xml.etree.ElementTree as ET
from dataclasses import asdict, replace

import pytest

from bench.chart import chart
from bench.contenders import Result
from bench.figures import Spread, summary, table, tables
from bench.rates import WARM_UP_SECONDS, steady_share

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


def test_the_steady_share_leaves_out_the_warm_up_and_the_end():
    burst = [0.0] * 50
    steady = [WARM_UP_SECONDS + number / 10 for number in range(400)]
    slow_end = [steady[-1] + 30.0 * number for number in range(1, 51)]
    assert steady_share([*burst, *steady, *slow_end], 20.0) == pytest.approx(0.5)
    assert steady_share(burst, 20.0) is None


def test_the_chart_shows_each_contender_once_by_the_runs_under_airflow():
    under_airflow = replace(RESULT, airflow=True, seconds=4.0)
    slower = replace(under_airflow, contender="defaults", seconds=40.0)
    picture = ET.fromstring(chart([asdict(r) for r in (RESULT, under_airflow, slower)]))
    texts = [found.text for found in picture.iter("{http://www.w3.org/2000/svg}text")]
    assert texts[1:] == ["the seed's configuration, dlt's defaults", "10.0", "ours, first load", "1.0"]
