"""What the UI shows of the Dag and its tasks, as declared."""

import json

import pytest
from airflow.serialization.serialized_objects import DagSerialization

from directory_sync.airflow import compat
from directory_sync.config.names import PAGE_URL

LINK = f"{PAGE_URL}?dag=directory_sync&resource=directory_resource"


def described(dag):
    return list(dag.tasks)


def test_each_task_that_runs_code_says_what_it_does(dag):
    assert len(described(dag)) > 4
    assert not [task.task_id for task in described(dag) if not task.doc_md]
    assert len({task.doc_md for task in described(dag)}) == 5


def test_each_task_that_runs_code_links_to_the_page_of_its_directory(dag):
    for task in described(dag):
        [link] = task.operator_extra_links
        assert (link.name, link.get_link(task, ti_key=None)) == ("Directory", LINK)


def test_the_link_reaches_the_interface(dag):
    """The API server knows a Dag by its serialized form alone."""
    again = DagSerialization.from_dict(DagSerialization.to_dict(dag))
    assert {tuple(again.get_task(task.task_id).extra_links) for task in described(dag)} == {("Directory",)}


def test_the_serialized_dag_says_where_its_resource_lands(dag):
    again = DagSerialization.from_dict(DagSerialization.to_dict(dag))
    said = [json.loads(task.doc_json) for task in again.task_dict.values() if task.doc_json]
    landing = {"connection": "directory_landing", "folder": ""}
    assert said == [{"resource": "directory_resource", "landing": landing}]


def test_where_there_is_no_page_no_task_links_to_it(parse, monkeypatch):
    monkeypatch.setattr(compat, "HAS_PAGES", False)
    assert not [task.task_id for task in parse().tasks if task.operator_extra_links]


def test_without_a_setting_the_owner_leads_nowhere(dag):
    assert dag.owner_links == {}


def test_the_owner_leads_where_the_setting_says(parse):
    dag = parse(DIRECTORY_SYNC_OWNER_LINK="mailto:data@example.org")
    assert dag.owner_links == {"directory-sync": "mailto:data@example.org"}
    assert {task.owner for task in described(dag)} == {"directory-sync"}


@pytest.mark.parametrize("variables", [{}, {"DIRECTORY_SYNC_DEADLINE_MINUTES": "0"}])
def test_without_a_setting_there_is_no_deadline(parse, variables):
    assert not parse(**variables).deadline


def test_the_setting_makes_an_alert_that_counts_from_when_the_run_was_queued(parse):
    [alert] = parse(DIRECTORY_SYNC_DEADLINE_MINUTES="90").deadline
    assert alert.reference.reference_name == "DagRunQueuedAtDeadline"
    assert alert.interval.total_seconds() == 90 * 60
    assert alert.callback.path == "directory_sync.airflow.deadline.run_is_late"
