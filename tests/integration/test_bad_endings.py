"""Whatever the API does, the published table is whole; a failure leaves the good table as it was."""

from typing import Any

import pytest
from dlt.pipeline.exceptions import PipelineStepFailed

from directory_sync.errors import (
    ApiUnavailableError,
    AuthError,
    ConfigError,
    DirectorySyncError,
    EnvelopeError,
    SnapshotError,
    find_error,
)
from sandbox.server import SandboxServer
from tests.integration.cycle import Cycle


@pytest.fixture
def eventful(api: SandboxServer, published: Cycle) -> Cycle:
    """A second night with something to publish."""
    api.directory.edit(4, 4, remove=4, seed=3)
    return published


def failure_of(cycle: Cycle, run_id: str = "two") -> DirectorySyncError:
    """Our error of a run that fails, behind what dlt wraps around it."""
    with pytest.raises((DirectorySyncError, PipelineStepFailed)) as caught:
        cycle.run(run_id)
    error = find_error(caught.value)
    assert error is not None
    return error


@pytest.mark.parametrize(
    ("faults", "expected"),
    [
        ({"body_fault": "html"}, EnvelopeError),
        ({"body_fault": "duplicate_keys", "body_fault_rate": 0.5}, EnvelopeError),
        ({"error_rate": 1.0}, ApiUnavailableError),
        ({"drop_rate": 1.0}, ApiUnavailableError),
        ({"empty_page_rate": 1.0}, SnapshotError),
        ({"ignore_offset": True}, ConfigError),
        ({"page_cap": 1}, ConfigError),
        ({"client_secret": "another"}, AuthError),
    ],
    ids=lambda value: "-".join(map(str, value)) if isinstance(value, dict) else value.__name__,
)
def test_a_failure_leaves_the_published_table_as_it_was(
    api: SandboxServer, eventful: Cycle, faults: dict[str, Any], expected: type[DirectorySyncError]
) -> None:
    before = eventful.tables()
    api.configure(**faults)
    assert type(failure_of(eventful)) is expected
    assert eventful.tables() == before


def test_a_run_after_a_failure_publishes_everything(api: SandboxServer, eventful: Cycle) -> None:
    api.configure(body_fault="html")
    failure_of(eventful)
    api.configure(body_fault="none")
    eventful.run("two")
    assert eventful.ids() == set(api.directory.ids())


@pytest.mark.parametrize(
    "faults",
    [
        {"error_rate": 0.15, "page_cap": 40},
        {"drop_rate": 0.15, "page_cap": 40},
        {"empty_page_rate": 0.2, "page_cap": 40},
        {"single_token": True, "page_cap": 13},
    ],
    ids=["503", "dropped", "stray empty pages", "one token lives"],
)
def test_faults_that_pass_cost_no_entry(api: SandboxServer, eventful: Cycle, faults: dict[str, Any]) -> None:
    api.configure(**faults, fault_seed=5)
    eventful.run("two")
    assert eventful.ids() == set(api.directory.ids())


def test_a_total_that_is_wrong_on_a_still_list_is_not_reconciled(
    api: SandboxServer, published: Cycle
) -> None:
    """The API counts entries which it does not show."""
    before = published.tables()
    published.extract("two")
    client = published.client()

    def read(offset: int) -> Any:
        return client.page(offset)._replace(total=301)

    lying(published, "two")
    with pytest.raises(SnapshotError, match="states 301 entries, the sealed snapshot"):
        published.audit("two", read_page=read)
    client.close()
    assert published.tables() == before


def lying(cycle: Cycle, run_id: str) -> None:
    """Makes the landed answers state a total of 301."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    for [path] in cycle.landed(run_id).load_files("windows").values():
        table = pq.read_table(path)
        index = table.schema.get_field_index("total")
        pq.write_table(table.set_column(index, "total", pa.array([301] * table.num_rows)), path)


def test_a_total_that_is_declared_approximate_is_told_and_published(
    api: SandboxServer, published: Cycle
) -> None:
    approximate = published.with_(resource={"total": "approximate"})
    approximate.extract("two")
    lying(approximate, "two")
    client = approximate.client()
    report = approximate.audit("two", read_page=lambda offset: client.page(offset)._replace(total=301))
    client.close()
    assert [f.level for f in report.findings if f.rule == "reconciliation"] == ["warning"]


@pytest.mark.parametrize(
    ("where", "total"), [("random", "present"), ("head", "absent"), ("boundary", "stale")]
)
def test_every_entry_that_lasted_through_the_pull_is_published(
    api: SandboxServer, published: Cycle, where: str, total: str
) -> None:
    before = set(api.directory.ids())
    api.configure(churn_per_request=0.8, churn_where=where, total=total, page_cap=25, churn_seed=11)
    busy = published.with_(shards=2, settings={"max_removed_count": 500, "max_removed_share": 1.0})
    busy.extract("two")
    busy.audit("two")
    api.configure(churn_per_request=0)
    busy.publish("two")
    lasted = before & set(api.directory.ids())
    assert api.stats.churn_deleted > 3
    assert lasted <= busy.ids()
