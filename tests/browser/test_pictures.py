"""What a newcomer sees first, which the documentation shows: the graph, and the page by day and by night."""

import pytest
from playwright.sync_api import expect

from demo.local_airflow import DAG_ID

STAGES = ("extract", "audit", "publish", "approve_removals", "remove")


@pytest.mark.usefixtures("published")
def test_the_graph_shows_the_stages_from_left_to_right(page_of, picture):
    page = page_of("vera")
    page.goto(f"/dags/{DAG_ID}")
    page.get_by_label("Show Graph").click()
    nodes = [page.locator(f".react-flow__node[data-id='{stage}']") for stage in STAGES]
    for node in nodes:
        expect(node).to_be_visible()
    places = [node.bounding_box()["x"] for node in nodes]
    assert places == sorted(places)
    page.get_by_label("Collapse Details Panel").click()
    page.get_by_label("Expand all task groups").click()
    page.set_viewport_size({"width": 1280, "height": 560})
    page.get_by_label("Fit View").click()
    picture(page, "graph", height=560)


@pytest.mark.usefixtures("published")
@pytest.mark.parametrize("dark", [False, True], ids=["day", "night"])
def test_the_page_says_first_whether_the_directory_is_complete(page_of, picture, dark):
    page = page_of("vera", dark=dark)
    page.goto("/plugin/directory")
    expect(page.get_by_test_id("headline")).to_contain_text("Complete: all ")
    picture(page, "page-dark" if dark else "page", height=1100)
