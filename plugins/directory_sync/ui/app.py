"""Serves the page's files, which code runs, and who changed, only to users who may read that.

The files contain no data, but no route is open to anonymous users, except the files in Airflow 3.1.0. What is
said of a Dag needs the right to read it, which Airflow's own dependency checks. The browser sends Airflow's
cookie with each import. Only the API server imports this module: FastAPI and Airflow's core would slow other
processes.
"""

from http import HTTPStatus
from importlib.metadata import version
from inspect import iscoroutinefunction, signature
from pathlib import Path
from typing import Annotated, Any

from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
from airflow.api_fastapi.core_api.security import get_user, requires_access_dag
from fastapi import Depends, FastAPI, HTTPException, Query, Request
from fastapi.concurrency import run_in_threadpool
from starlette.responses import Response
from starlette.staticfiles import StaticFiles

from directory_sync import about

_TAKES_COOKIES = "request" in signature(get_user).parameters
"""Airflow 3.1.0 takes the token of a login in a header alone, which no import of a module can send."""
_files = StaticFiles(directory=Path(__file__).parent / "static")

app = FastAPI(
    title="Directory",
    docs_url=None,
    redoc_url=None,
    openapi_url=None,
    redirect_slashes=False,
    dependencies=[Depends(get_user)] if _TAKES_COOKIES else [],
)


@app.get("/about.json", dependencies=[Depends(get_user)])
def about_this_code(request: Request) -> dict[str, Any]:
    """Returns which code the API server runs, and what its Airflow does not have."""
    return {
        "version": about.VERSION,
        "origin": about.origin(),
        "location": str(about.LOCATION),
        "notRun": [str(path) for path in about.not_run()],
        "airflow": version("apache-airflow-core"),
        "absent": list(request.app.state.absent()),
    }


_may_run = requires_access_dag("POST", DagAccessEntity.RUN)
_reads_dag = Depends(requires_access_dag("GET"))
# Of a path in the landing zone nothing is taken as it comes: see `folder_name` and `LandedSnapshot.who`.
_Id = Annotated[str, Query(min_length=1, max_length=250)]


@app.get("/dags/{dag_id}/rights.json", dependencies=[_reads_dag])
async def rights(dag_id: str, request: Request, user: Annotated[Any, Depends(get_user)]) -> dict[str, bool]:  # noqa: ARG001  the dependency reads `dag_id`
    """Returns whether the user may start a run of the Dag."""
    try:
        if iscoroutinefunction(_may_run):
            await _may_run(request, user)
        else:
            await run_in_threadpool(_may_run, request, user)
    except HTTPException as error:
        if error.status_code != HTTPStatus.FORBIDDEN:
            raise
        return {"mayRun": False}
    return {"mayRun": True}


@app.get("/dags/{dag_id}/who.json", dependencies=[_reads_dag])
def who(dag_id: str, resource: _Id, run_id: _Id, sync_id: _Id, request: Request) -> dict[str, Any]:
    """Returns who joined, left and changed in a publication of the Dag, or why that cannot be read here."""
    if request.app.state.who is None:
        raise HTTPException(HTTPStatus.NOT_FOUND)
    try:
        found: dict[str, Any] = request.app.state.who(dag_id, resource, run_id=run_id, sync_id=sync_id)
    except KeyError:
        raise HTTPException(
            HTTPStatus.NOT_FOUND, f"There is no Dag `{dag_id}` with the resource `{resource}`."
        ) from None
    return found


# One route for every other path: a mount of the files would bypass the dependency.
@app.get("/{path:path}")
async def file(path: str, request: Request) -> Response:
    """Returns a file; the status 304 if the browser already has it."""
    response = await _files.get_response(path, request.scope)
    # The browser keeps the file but validates it each time: an upgrade never mixes old and new modules.
    response.headers["Cache-Control"] = "private, no-cache"
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response
