"""What Airflow's API would answer in states no test can wait for: a thousand nights, failures, decisions.

The reports in it are made by the product's own class, so they have the keys a real event has.
"""

import json
import random
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from playwright.sync_api import Page, Route

from directory_sync.audit.report import AuditReport, Finding
from directory_sync.config.kinds import KINDS

DAG = "directory_sync"
RESOURCE = "directory_resource"
NIGHT = timedelta(days=1)
DRIFT = Finding(rule="fields", level="warning", message="The field `iata_code` is text in 3.0% of entries.")
TAKES = {"audit": 34, "publish": 71, "approve_removals": 1}


def iso(moment: datetime) -> str:
    return moment.isoformat()


def a_report(night: int, at: datetime, entries: int, resource: str = RESOURCE, **given: Any) -> AuditReport:
    """The report of a night: what is not given is as on any night."""
    changes = dict.fromkeys(KINDS, 0) | given.pop("changes", {})
    windows = entries // 97 + 1
    usual = {
        "sync_id": f"sync-{night}",
        "base_sync_id": f"sync-{night - 1}" if night else None,
        "run_id": f"night-{night}",
        "mode": "sync",
        "snapshot_at": at,
        "last_requested_at": at,
        "settings_fingerprint": "0",
        "id_type": "BIGINT",
        "unchanged": entries - changes["changed"] - changes["added"],
        "order": "observed",
        "windows": windows,
        "joints": windows + 4,
        "requests": windows + 3,
    }
    return AuditReport.from_json(
        {"entries": entries, "resource": resource, "changes": changes, **usual, **given}
    )


def a_run(
    run_id: str, at: datetime, *, state: str = "success", seconds: float = 260, dag: str = DAG
) -> dict[str, Any]:
    ended = iso(at + timedelta(seconds=seconds)) if state in ("success", "failed") else None
    return {
        "dag_id": dag,
        "dag_run_id": run_id,
        "run_type": "scheduled",
        "state": state,
        "run_after": iso(at),
        "start_date": iso(at),
        "end_date": ended,
    }


def a_task(
    task_id: str, run_id: str, at: datetime, seconds: float, *, state: str = "success"
) -> dict[str, Any]:
    return {
        "dag_id": DAG,
        "dag_run_id": run_id,
        "task_id": task_id,
        "map_index": -1,
        "operator": "PythonOperator",
        "state": state,
        "pool": "default_pool",
        "start_date": iso(at),
        "end_date": iso(at + timedelta(seconds=seconds)),
    }


@dataclass
class Answers:
    """One state of Airflow, served in place of the real one's.

    Attributes:
        faults: of a kind of request (dags, assets, events, runs, tasks, waiting, xcom, decisions, pools): the
            status it is answered with, 0 for no answer at all.
        left: the XComs of tasks, by run, task and key.
        slots: of a pool: how many it has; none of them is free.
        datasets: of a further directory's Dag, the dataset that its assets' names begin with.
        asked: how often each kind of request came.
    """

    reports: list[AuditReport] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    runs: list[dict[str, Any]] = field(default_factory=list)
    tasks: list[dict[str, Any]] = field(default_factory=list)
    waiting: list[dict[str, Any]] = field(default_factory=list)
    resources: tuple[str, ...] = (RESOURCE,)
    dags: tuple[str, ...] = (DAG,)
    datasets: Mapping[str, str] = field(default_factory=dict)
    dag: Mapping[str, Any] = field(default_factory=dict)
    left: dict[tuple[str, str, str], Any] = field(default_factory=dict)
    slots: dict[str, int] = field(default_factory=dict)
    faults: dict[str, int] = field(default_factory=dict)
    asked: dict[str, int] = field(default_factory=dict)

    def publish(self, report: AuditReport, *, took: float = 260, dag: str = DAG) -> None:
        """Adds the event of a run that published, its run and its tasks."""
        at = report.snapshot_at
        self.add_event(report.summary(), report.run_id, at + timedelta(seconds=took), dag=dag)
        if all(run["dag_run_id"] != report.run_id for run in self.runs):
            self.runs.append(a_run(report.run_id, at, seconds=took, dag=dag))
            self.tasks += _tasks(report.run_id, at, took)

    def add_event(self, extra: Any, run_id: str, at: datetime, *, dag: str = DAG) -> None:
        resource = extra.get("resource") if isinstance(extra, dict) else None
        place = self.resources.index(resource) if resource in self.resources else 0
        content = {
            "id": len(self.events) + 1,
            "asset_id": self.dags.index(dag) * len(self.resources) + place + 1,
            "name": RESOURCE,
            "extra": extra,
            "source_dag_id": dag,
            "source_run_id": run_id,
            "source_task_id": "publish",
            "timestamp": iso(at),
        }
        self.events.append(content)

    def fail(self, run_id: str, at: datetime, *, task: str = "audit") -> None:
        """Adds a run that published nothing."""
        self.runs.append(a_run(run_id, at, state="failed", seconds=40))
        self.tasks.append(a_task(task, run_id, at, 30, state="failed"))

    def ask(self, run_id: str, subject: str) -> None:
        """Adds a question that waits for a person."""
        task = a_task("approve_removals", run_id, datetime.now(UTC), 0, state="awaiting_input")
        self.waiting.append({"subject": subject, "options": ["Approve", "Reject"], "task_instance": task})

    def serve(self, page: Page) -> None:
        """From now on the page gets these answers instead of Airflow's."""
        page.route(re.compile(r"/api/v2/(dags|assets|pools)(/|\?)"), self._answer)

    def _answer(self, route: Route) -> None:
        url = urlsplit(route.request.url)
        path, query = url.path.split("/api/v2/")[1], parse_qs(url.query)
        query["path"] = [unquote(part) for part in path.split("/")]
        of_dag = re.match(r"dags/([^/~]+)/", path)
        query["of_dag"] = [of_dag[1]] if of_dag else list(self.dags)
        kind = _kind(path, query)
        if kind is None:
            route.fallback()
            return
        self.asked[kind] = self.asked.get(kind, 0) + 1
        status = self.faults.get(kind, 200)
        if status == 0:
            route.abort()
        elif status != 200:
            route.fulfill(status=status, json={"detail": "as the test says"})
        else:
            body = json.loads(route.request.post_data or "{}")
            found = getattr(self, f"_{kind}")(query, body)
            route.fulfill(status=404 if found is None else 200, json=found)

    def _dags(self, query: Any, body: Any) -> dict[str, Any]:
        now = datetime.now(UTC)
        due = {
            "next_dagrun_data_interval_start": iso(now - timedelta(hours=4)),
            "next_dagrun_data_interval_end": iso(now + timedelta(hours=20)),
            "next_dagrun_run_after": iso(now + timedelta(hours=20)),
        }
        usual = {"is_paused": False, "timetable_periodic": True, **due}
        dags = [{"dag_id": d, "dag_display_name": d, **usual, **self.dag} for d in self.dags]
        return {"dags": dags, "total_entries": len(dags)}

    def _assets(self, query: Any, body: Any) -> dict[str, Any]:
        pairs = [(dag, name) for dag in self.dags for name in self.resources]
        in_front = {dag: f"{self.datasets[dag]}." if dag in self.datasets else "" for dag in self.dags}
        assets = [
            {
                "id": n,
                "name": in_front[dag] + name,
                "producing_tasks": [{"dag_id": dag, "task_id": "publish"}],
            }
            for n, (dag, name) in enumerate(pairs, start=1)
        ]
        return {"assets": assets, "total_entries": len(assets)}

    def _events(self, query: Any, body: Any) -> dict[str, Any]:
        asset, dag = query.get("asset_id"), query["source_dag_id"][0]
        run = query.get("source_run_id", [None])[0]
        found = [
            event
            for event in self.events
            if (asset is None or event["asset_id"] == int(asset[0]))
            and event["source_dag_id"] == dag
            and run in (None, event["source_run_id"])
        ]
        return _page("asset_events", sorted(found, key=lambda e: e["timestamp"], reverse=True), query)

    def _runs(self, query: Any, body: Any) -> dict[str, Any]:
        state = query.get("state", [None])[0]
        found = [
            run for run in self.runs if state in (None, run["state"]) and run["dag_id"] in query["of_dag"]
        ]
        return _page("dag_runs", sorted(found, key=lambda r: r["run_after"], reverse=True), query)

    def _tasks(self, query: Any, body: Any) -> dict[str, Any]:
        runs = {run["dag_run_id"] for run in self.runs if run["dag_id"] in body["dag_ids"]}
        found = [task for task in self.tasks if task["dag_run_id"] in runs & set(body["dag_run_ids"])]
        window = {"limit": [body["page_limit"]], "offset": [body["page_offset"]]}
        return _page("task_instances", found, window)

    def _waiting(self, query: Any, body: Any) -> dict[str, Any]:
        found = self.waiting if query["response_received"] == ["false"] else []
        return {"hitl_details": found, "total_entries": len(found)}

    def _xcom(self, query: Any, body: Any) -> dict[str, Any] | None:
        _, _, _, run, _, task, _, key = query["path"]
        value = self.left.get((run, task, key))
        return None if value is None else {"value": value}

    def _decisions(self, query: Any, body: Any) -> dict[str, Any]:
        found = [
            {"dag_id": DAG, "run_id": run, "task_id": task, "map_index": -1, "timestamp": run}
            for run, task, key in self.left
            if [key] == query["xcom_key"]
        ]
        return {"xcom_entries": found, "total_entries": len(found)}

    def _pools(self, query: Any, body: Any) -> dict[str, Any] | None:
        slots = self.slots.get(query["path"][-1])
        return None if slots is None else {"slots": slots, "open_slots": 0}


def _page(key: str, found: list[dict[str, Any]], query: Mapping[str, list[Any]]) -> dict[str, Any]:
    offset, limit = int(query.get("offset", [0])[0]), int(query["limit"][0])
    return {key: found[offset : offset + limit], "total_entries": len(found)}


def _kind(path: str, query: Mapping[str, Any]) -> str | None:
    """Which of the page's requests it is; None: another of Airflow's interface."""
    kinds = {"dags": "dags" if "tags" in query else None, "assets": "assets", "assets/events": "events"}
    if path in kinds:
        return kinds[path]
    ends = {
        "/dagRuns": "runs",
        "/taskInstances/list": "tasks",
        "/hitlDetails": "waiting",
        "/xcomEntries": "decisions",
        "/xcomEntries/[a-z_]+": "xcom",
        "^pools/[^/]+": "pools",
    }
    found = [kind for end, kind in ends.items() if re.search(f"{end}$", path)]
    return found[0] if found else None


def _tasks(run_id: str, at: datetime, took: float) -> Iterable[dict[str, Any]]:
    read = took - sum(TAKES.values())
    for shard in range(4):
        yield a_task(f"extract.directory_shard_{shard}-2", run_id, at, read - shard)
    at += timedelta(seconds=read)
    for task_id, seconds in TAKES.items():
        yield a_task(task_id, run_id, at, seconds)
        at += timedelta(seconds=seconds)


def nights(number: int, *, hours_ago: float = 4) -> Answers:
    """So many nights of a directory that lives: each published, the last one some hours ago."""
    draw = random.Random(7)
    answers = Answers()
    last = datetime.now(UTC) - timedelta(hours=hours_ago)
    entries = 100_000
    for night in range(number):
        counts = {
            "added": draw.randint(20, 160),
            "changed": draw.randint(150, 700),
            "removed": draw.randint(5, 90),
            "returned": draw.randint(0, 4),
        }
        if night == 0:
            counts = {"added": entries}
        else:
            entries += counts["added"] + counts["returned"] - counts["removed"]
        fields = {} if night == 0 else _fields(draw, counts["changed"])
        busy = draw.random() < 0.06
        report = a_report(
            night,
            last - (number - 1 - night) * NIGHT,
            entries,
            changes=counts,
            changed_fields=fields,
            retries=draw.randint(1, 9) if busy else 0,
            refused=draw.randint(1, 30) if busy else 0,
            bridged=draw.choice([0, 0, 0, 1, 2]),
        )
        answers.publish(report, took=draw.uniform(240, 300))
    return answers


def _fields(draw: random.Random, changed: int) -> dict[str, int]:
    names = ("phones[].number", "email", "address.street", "address.city", "name", "updated_at", "manager.id",
             "department", "title", "photo_url", "address.zip", "languages[]", "cost_center")  # fmt: skip
    return {name: max(1, int(changed * draw.random() ** (1 + n / 2))) for n, name in enumerate(names)}
