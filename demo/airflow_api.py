"""Airflow's REST interface: runs, tasks and logs of a Dag."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any
from urllib.parse import quote

import requests
from typing_extensions import Self

ENDED = frozenset({"success", "failed"})
_ENDED_TASK = ENDED | {"skipped", "upstream_failed", "removed"}
_TIMEOUT_SECONDS = 120.0
_POLL_SECONDS = 0.7
_READS = 10
"""How often a question is put to an interface that answers with an error of its own."""


@dataclass(frozen=True, kw_only=True)
class DagRun:
    """One run of a Dag.

    Attributes:
        queued_at: when it was triggered, or fell due; it begins when the scheduler looks next.
    """

    run_id: str
    run_type: str
    state: str
    queued_at: datetime | None
    started_at: datetime | None
    ended_at: datetime | None
    note: str = ""

    @property
    def has_ended(self) -> bool:
        """It succeeded or failed."""
        return self.state in ENDED

    @classmethod
    def parse(cls, content: Mapping[str, Any]) -> Self:
        """Reads the API's form of it."""
        return cls(
            run_id=content["dag_run_id"],
            run_type=content["run_type"],
            state=content["state"],
            queued_at=_moment(content["queued_at"]),
            started_at=_moment(content["start_date"]),
            ended_at=_moment(content["end_date"]),
            note=content.get("note") or "",
        )


@dataclass(frozen=True, kw_only=True)
class TaskRun:
    """One task of a run, its latest try.

    Attributes:
        instance_id: Airflow's own key of this try; its process bears it as a title.
        state: Airflow's; "waiting" where it has none yet.
        runs_code: False for tasks that only hold the graph together.
    """

    task_id: str
    instance_id: str
    state: str
    try_number: int
    runs_code: bool
    started_at: datetime | None
    ended_at: datetime | None

    @property
    def has_ended(self) -> bool:
        """Nothing more happens to it in this run."""
        return self.state in _ENDED_TASK

    @property
    def seconds(self) -> float | None:
        """How long the latest try took."""
        if self.started_at is None or self.ended_at is None:
            return None
        return (self.ended_at - self.started_at).total_seconds()

    @classmethod
    def parse(cls, content: Mapping[str, Any]) -> Self:
        """Reads the API's form of it."""
        return cls(
            task_id=content["task_id"],
            instance_id=content["id"],
            state=content["state"] or "waiting",
            try_number=content["try_number"],
            runs_code=content["operator"] != "EmptyOperator",
            started_at=_moment(content["start_date"]),
            ended_at=_moment(content["end_date"]),
        )


@dataclass(frozen=True, kw_only=True)
class LogLine:
    """One line of a task's log; the level in lower case, empty where there is none."""

    level: str
    text: str


class AirflowApi:
    """A client of one Airflow.

    Args:
        url: its address, without a final slash.
        username: who logs in at the first request.
        password: of this user.
    """

    def __init__(self, url: str, *, username: str, password: str) -> None:
        """Asks nothing yet."""
        self.url = url
        self._login = {"username": username, "password": password}
        self._session = requests.Session()
        self._session.trust_env = False

    def is_ready(self) -> bool:
        """Tells whether it answers."""
        try:
            answer = self._session.get(f"{self.url}/api/v2/monitor/health", timeout=2.0)
        except requests.RequestException:
            return False
        return answer.ok

    def token(self) -> str:
        """Logs in; returns the token, which the browser's cookie `_token` holds as well."""
        answer = self._session.post(f"{self.url}/auth/token", json=self._login, timeout=_TIMEOUT_SECONDS)
        answer.raise_for_status()
        token: str = answer.json()["access_token"]
        return token

    def is_run_due(self, dag_id: str) -> bool:
        """Tells whether the scheduler is about to start a scheduled run by itself."""
        dag = self._get(f"dags/{quote(dag_id)}")
        due_at = _moment(dag["next_dagrun_run_after"])
        is_past = due_at is not None and due_at <= datetime.now(timezone.utc)
        return is_past and dag["is_paused"] is False

    def dag_exists(self, dag_id: str) -> bool:
        """Tells whether the Dag was parsed without an error."""
        dags = self._get("dags", dag_id_pattern=dag_id)["dags"]
        return any(dag["dag_id"] == dag_id and not dag["has_import_errors"] for dag in dags)

    def runs(self, dag_id: str) -> list[DagRun]:
        """Returns the runs of a Dag, the newest first."""
        found = self._get(f"dags/{quote(dag_id)}/dagRuns", order_by="-run_after", limit=100)
        return [DagRun.parse(run) for run in found["dag_runs"]]

    def run(self, dag_id: str, run_id: str) -> DagRun:
        """Returns one run."""
        return DagRun.parse(self._get(_path(dag_id, run_id)))

    def trigger(self, dag_id: str, conf: Mapping[str, Any] | None = None) -> DagRun:
        """Starts a manual run, with values for its parameters."""
        body = {"logical_date": None, "conf": dict(conf or {})}
        return DagRun.parse(self._request("POST", f"dags/{quote(dag_id)}/dagRuns", json=body))

    def unpause(self, dag_id: str) -> None:
        """Lets the scheduler run a Dag; its last missed tick begins at once."""
        self._request("PATCH", f"dags/{quote(dag_id)}", json={"is_paused": False})

    def connection(self, conn_id: str) -> dict[str, Any] | None:
        """Returns a connection of its database, the secrets masked; None where there is none."""
        found = self._get("connections", connection_id_pattern=conn_id, limit=100)["connections"]
        return next((one for one in found if one["connection_id"] == conn_id), None)

    def add_connection(self, conn_id: str, fields: Mapping[str, Any]) -> None:
        """Writes a connection into its database; the fields have the names of the interface."""
        self._request("POST", "connections", json={"connection_id": conn_id, **fields})

    def edit_connection(self, conn_id: str, **fields: Any) -> None:
        """Changes some fields of a connection of its database, and leaves the others."""
        known = self._get(f"connections/{quote(conn_id)}")
        body = {"connection_id": conn_id, "conn_type": known["conn_type"], **fields}
        path = f"connections/{quote(conn_id)}?" + "&".join(f"update_mask={name}" for name in fields)
        self._request("PATCH", path, json=body)

    def hosts(self, dag_id: str, run_id: str) -> set[str]:
        """Returns on which machines the tasks of a run worked."""
        found = self._get(f"{_path(dag_id, run_id)}/taskInstances", limit=100)
        return {task["hostname"] for task in found["task_instances"] if task["hostname"]}

    def backfill(self, dag_id: str, start: str, end: str, conf: Mapping[str, Any] | None = None) -> None:
        """Starts one run for each tick from a time to another, both in ISO 8601."""
        body = {"dag_id": dag_id, "from_date": start, "to_date": end, "dag_run_conf": dict(conf or {})}
        self._request("POST", "backfills", json=body)

    def end_unfinished_runs(self, dag_id: str) -> int:
        """Marks the runs as failed which an earlier, interrupted Airflow left; returns how many."""
        unfinished = [run for run in self.runs(dag_id) if not run.has_ended]
        for run in unfinished:
            self._request("PATCH", _path(dag_id, run.run_id), json={"state": "failed"})
        return len(unfinished)

    def delete_results(self, dag_id: str, task_id: str) -> None:
        """Deletes what a task has returned in all runs of a Dag."""
        for run in self.runs(dag_id):
            task = f"{_path(dag_id, run.run_id)}/taskInstances/{quote(task_id)}"
            if self._get(f"{task}/xcomEntries", xcom_key_pattern="return_value")["xcom_entries"]:
                self._request("DELETE", f"{task}/xcomEntries/return_value")

    def task_runs(self, dag_id: str, run_id: str) -> list[TaskRun]:
        """Returns the tasks of a run, in the order they began."""
        found = self._get(f"{_path(dag_id, run_id)}/taskInstances", limit=100)
        tasks = [TaskRun.parse(task) for task in found["task_instances"]]
        latest = datetime.max.replace(tzinfo=timezone.utc)
        return sorted(tasks, key=lambda task: (task.started_at or latest, task.task_id))

    def questions(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        """Returns what the tasks of a run ask a person and nobody answered yet.

        A question is there a moment before its task waits; an answer in between would be lost.
        """
        found = self._get(f"{_path(dag_id, run_id)}/hitlDetails", response_received=False)
        # Before 3.3, a task that asks is deferred to the triggerer.
        waits = {"awaiting_input", "deferred"}
        return [ask for ask in found["hitl_details"] if ask["task_instance"]["state"] in waits]

    def answer(self, dag_id: str, run_id: str, task_id: str, option: str, **fields: Any) -> None:
        """Answers what a task asks; the fields stand beside the options in its form.

        Airflow 3.3.2 can take a task for killed that is answered before the scheduler has seen the end of the
        process which asked; `LocalAirflow.wait_for_questions` waits for that.
        """
        path = f"{_path(dag_id, run_id)}/taskInstances/{quote(task_id)}/-1/hitlDetails"
        self._request("PATCH", path, json={"chosen_options": [option], "params_input": fields})

    def set_slots(self, pool: str, slots: int) -> None:
        """Sets how many tasks of a pool may run at once; 0: none."""
        self._request("PATCH", f"pools/{quote(pool)}?update_mask=slots", json={"pool": pool, "slots": slots})

    def clear(self, dag_id: str, run_id: str, *task_ids: str) -> None:
        """Clears tasks of a run and what comes after them, so that they run again."""
        body = {
            "dry_run": False,
            "dag_run_id": run_id,
            "task_ids": list(task_ids),
            "include_downstream": True,
            "only_failed": False,
            "reset_dag_runs": True,
        }
        self._request("POST", f"dags/{quote(dag_id)}/clearTaskInstances", json=body)

    def asset_events(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        """Returns what the extra of each asset event of a run holds, in their order."""
        found = self._get("assets/events", source_dag_id=dag_id, source_run_id=run_id, order_by="timestamp")
        return [event["extra"] for event in found["asset_events"]]

    def xcom(self, dag_id: str, run_id: str, task_id: str, key: str = "return_value") -> Any:
        """Returns what a task returned, or left under another key."""
        path = f"{_path(dag_id, run_id)}/taskInstances/{quote(task_id)}/xcomEntries/{quote(key)}"
        return self._get(path, deserialize=True)["value"]

    def links(self, dag_id: str, run_id: str, task_id: str) -> dict[str, str | None]:
        """Returns the links beside a task's details, by their names."""
        path = f"{_path(dag_id, run_id)}/taskInstances/{quote(task_id)}/links"
        links: dict[str, str | None] = self._get(path)["extra_links"]
        return links

    def log(self, dag_id: str, run_id: str, task_id: str, *, try_number: int = 1) -> list[LogLine]:
        """Returns the log of one try of a task, as far as it is written."""
        path = f"{_path(dag_id, run_id)}/taskInstances/{quote(task_id)}/logs/{try_number}"
        lines = []
        for entry in self._get(path, full_content=True)["content"]:
            if isinstance(entry, dict):
                lines.append(LogLine(level=str(entry.get("level") or ""), text=str(entry["event"])))
                lines += [
                    LogLine(level="error", text=f"{error['exc_type']}: {error['exc_value']}")
                    for error in entry.get("error_detail") or ()
                ]
            else:
                lines.append(LogLine(level="", text=str(entry)))
        return lines

    def wait(
        self,
        dag_id: str,
        run_id: str,
        *,
        on_poll: Callable[[DagRun], None] | None = None,
        seconds: float = 600.0,
    ) -> DagRun:
        """Returns a run when it has ended.

        Args:
            dag_id: whose run.
            run_id: which.
            on_poll: called with the run about once a second, at the end too.
            seconds: how long to wait.

        Raises:
            TimeoutError: it has not ended by then.
        """
        deadline = time.monotonic() + seconds
        while True:
            run = self.run(dag_id, run_id)
            if on_poll:
                on_poll(run)
            if run.has_ended:
                return run
            if time.monotonic() > deadline:
                raise TimeoutError(f"The run {run_id} is still {run.state} after {seconds:.0f} s.")
            time.sleep(_POLL_SECONDS)

    def _get(self, path: str, **params: Any) -> Any:
        return self._request("GET", path, params=params)

    def _request(self, method: str, path: str, **arguments: Any) -> Any:
        if "Authorization" not in self._session.headers:
            self._session.headers["Authorization"] = f"Bearer {self.token()}"
        for left in reversed(range(_READS if method == "GET" else 1)):
            answer = self._session.request(
                method, f"{self.url}/api/v2/{path}", timeout=_TIMEOUT_SECONDS, **arguments
            )
            # A busy machine's SQLite is locked for longer than Airflow waits.
            if answer.status_code < 500 or not left:
                break
            time.sleep(_POLL_SECONDS)
        answer.raise_for_status()
        return answer.json() if answer.content else None


def _path(dag_id: str, run_id: str) -> str:
    return f"dags/{quote(dag_id)}/dagRuns/{quote(run_id, safe='')}"


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
