"""`/admin/*`: settings, edits, restore, reset and stats, without authentication."""

import dataclasses
from typing import Annotated, Any

from fastapi import APIRouter, Body
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sandbox.service import Sandbox


class EditRequest(BaseModel):
    """How many edits to make, and the seed of which."""

    model_config = ConfigDict(extra="forbid")

    add: Annotated[int, Field(ge=0)] = 0
    change: Annotated[int, Field(ge=0)] = 0
    remove: Annotated[int, Field(ge=0)] = 0
    seed: int = 0


class RestoreRequest(BaseModel):
    """The ids of the removed entries to bring back."""

    model_config = ConfigDict(extra="forbid")

    ids: list[int]


def admin_router(sandbox: Sandbox) -> APIRouter:
    """The routes under /admin for one sandbox."""
    router = APIRouter(prefix="/admin", tags=["admin"])
    _add_settings_routes(router, sandbox)
    _add_directory_routes(router, sandbox)

    @router.get("/stats")
    def stats() -> dict[str, Any]:
        """What was asked and answered since the start or the last reset of the stats."""
        return sandbox.stats.as_dict()

    @router.post("/stats/reset")
    def reset_stats() -> dict[str, Any]:
        """Set every count to zero."""
        sandbox.stats.reset()
        return sandbox.stats.as_dict()

    return router


def _add_settings_routes(router: APIRouter, sandbox: Sandbox) -> None:
    """Add the routes that read and change the settings."""

    @router.get("/settings")
    def settings() -> dict[str, Any]:
        """The settings now."""
        return dataclasses.asdict(sandbox.settings)

    @router.patch("/settings", response_model=None)
    def change_settings(changes: Annotated[dict[str, Any], Body()]) -> object:
        """Change some settings; 422 for an unknown one or a value that is not valid."""
        try:
            return dataclasses.asdict(sandbox.configure(changes))
        except ValidationError as error:
            detail = error.errors(include_url=False, include_context=False, include_input=False)
            return JSONResponse({"error": "invalid_settings", "detail": detail}, 422)


def _add_directory_routes(router: APIRouter, sandbox: Sandbox) -> None:
    """Add the routes that change the entries."""

    @router.post("/edit", response_model=None)
    def edit(wanted: EditRequest) -> object:
        """Make exactly so many edits and tell the ids; 422 if there are too few entries."""
        try:
            edits = sandbox.directory.edit(wanted.add, wanted.change, remove=wanted.remove, seed=wanted.seed)
        except ValueError as error:
            return JSONResponse({"error": "too_few_entries", "detail": str(error)}, 422)
        return dataclasses.asdict(edits)

    @router.post("/restore", response_model=None)
    def restore(wanted: RestoreRequest) -> object:
        """Bring removed entries back unchanged; 422 if one of them was not removed."""
        try:
            return {"restored": sandbox.directory.restore(wanted.ids)}
        except ValueError as error:
            return JSONResponse({"error": "not_removed", "detail": str(error)}, 422)

    @router.post("/reset")
    def reset() -> dict[str, Any]:
        """Go back to the records and the settings of the start."""
        sandbox.reset()
        return {"entries": len(sandbox.directory)}
