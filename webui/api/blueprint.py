"""The blueprint of version 1, with what every answer of it has in common."""

from typing import Any, Final

from flask import Response
from flask.blueprints import BlueprintSetupState
from flask_openapi3.blueprint import APIBlueprint
from flask_openapi3.models.tag import Tag
from flask_openapi3.types import ResponseDict
from werkzeug.routing import PathConverter

from webui.shared.problem_json import PROBLEM_JSON

VERSION_PATH: Final = "/api/v1"
CLAIMS: Final = Tag(name="Claims", description="What is owed, and why")
JOBS: Final = Tag(name="Settle jobs", description="Previewed, confirmed once, run")
SCHEDULES: Final = Tag(name="Schedules", description="Jobs that make themselves at night")

_STATUS_DESCRIPTIONS: Final = {
    400: "The request cannot be read",
    401: "There is no valid token",
    403: "The role does not allow it",
    404: "There is no such thing in this practice",
    409: "The job's status does not allow it",
    413: "The body is too large",
    415: "The body is not JSON",
    429: "Files that were asked for before are not fetched yet; Retry-After says when to ask again",
    503: "There is no room for another file right now; Retry-After says when to ask again",
    422: "Something in the request is not as it must be",
}


def _problem(status: int) -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/Problem"}
    return {"description": _STATUS_DESCRIPTIONS[status], "content": {PROBLEM_JSON: {"schema": schema}}}


def problem_responses(*statuses: int) -> ResponseDict:
    """The problems that a view can answer, for the OpenAPI document."""
    return {str(status): _problem(status) for status in statuses}


api = APIBlueprint(
    "api",
    __name__,
    url_prefix=VERSION_PATH,
    abp_security=[{"token": []}],
    abp_responses=problem_responses(401, 403, 422),
)


class Anything(PathConverter):
    """A claim's number in a path: any text, even one that begins with a slash."""

    regex = ".+?"
    part_isolating = False


@api.record_once
def _register_anything_converter(state: BlueprintSetupState) -> None:
    state.app.url_map.converters["anything"] = Anything


@api.after_request
def _require_revalidation(response: Response) -> Response:
    response.headers["Cache-Control"] = "private, no-cache"  # asked again each time, but an ETag may say "unchanged"
    return response
