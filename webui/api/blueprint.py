"""The blueprint for version 1, and what all its answers have in common."""

from collections.abc import Callable
from typing import Any, Final, NamedTuple, TypeVar

from flask import Blueprint, Response
from flask.blueprints import BlueprintSetupState
from werkzeug.routing import PathConverter

from core.version import product_version
from webui.shared.file_downloads import XLSX, ZIP
from webui.shared.problem_json import PROBLEM_JSON

View = TypeVar("View", bound=Callable[..., Any])

VERSION_PATH: Final = "/api/v1"
VERSION_HEADER: Final = "Settle-Version"  # so that a client can tell why it does not understand an answer


class Tag(NamedTuple):
    """A heading in the OpenAPI document."""

    name: str
    description: str


CLAIMS: Final = Tag(name="Claims", description="Balances, postings and holds")
JOBS: Final = Tag(name="Settle jobs", description="Preview, confirm once, run")
PRACTICE: Final = Tag(name="Practice", description="Name, time zone, write-off reasons and rule limits")
SCHEDULES: Final = Tag(name="Schedules", description="Rules that create jobs at set times")

CSV_FILE: Final = {"description": "The file", "content": {"text/csv": {"schema": {"type": "string"}}}}
ZIP_FILE: Final = {"description": "The file", "content": {ZIP: {"schema": {"type": "string", "format": "binary"}}}}
XLSX_FILE: Final = {"description": "The file", "content": {XLSX: {"schema": {"type": "string", "format": "binary"}}}}

_STATUS_DESCRIPTIONS: Final = {
    400: "The request can't be read",
    401: "The token is missing or not valid",
    403: "Your role does not allow this",
    404: "Not found in this practice",
    409: "The current status does not allow this",
    413: "The body is too large",
    415: "The body is not JSON",
    429: "Too many failed sign-ins, large requests or unfinished downloads; Retry-After says how long to wait",
    502: "The identity provider does not answer, or answers what its settings do not promise",
    503: "There is no room for another file right now; Retry-After says how long to wait",
    507: "The disk of the server or the database is full",
    422: "The request contains invalid values",
}


def _problem(status: int) -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/Problem"}
    return {"description": _STATUS_DESCRIPTIONS[status], "content": {PROBLEM_JSON: {"schema": schema}}}


def problem_responses(*statuses: int) -> dict[str, Any]:
    """Return the problems that a view can answer with, for the OpenAPI document."""
    return {str(status): _problem(status) for status in statuses}


class DescribedView(NamedTuple):
    """A view with its description for the OpenAPI document."""

    method: str
    rule: str
    view: Callable[..., Any]
    description: dict[str, Any]


class DescribedBlueprint(Blueprint):
    """A blueprint that keeps the descriptions of its views.

    The document is made of them at its first request, because making it takes longer than the rest of the start.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Start without views."""
        super().__init__(*args, **kwargs)
        self.described: list[DescribedView] = []

    def route(self, rule: str, **options: Any) -> Callable[[View], View]:
        """Add a view. `get`, `post`, `put` and `delete` call this with their method."""
        methods = options.pop("methods")

        def add(view: View) -> View:
            self.described.append(DescribedView(methods[0].lower(), rule, view, options))
            return super(DescribedBlueprint, self).route(rule, methods=methods)(view)

        return add


api = DescribedBlueprint("api", __name__, url_prefix=VERSION_PATH)


class Anything(PathConverter):
    """A claim's number in a path: any text, even one that starts with a slash."""

    regex = ".+?"
    part_isolating = False


@api.record_once
def _register_anything_converter(state: BlueprintSetupState) -> None:
    state.app.url_map.converters["anything"] = Anything


@api.after_request
def _forbid_caching(response: Response) -> Response:
    # Answers contain names and amounts. One with an ETag may be kept to hear that it is unchanged.
    response.headers["Cache-Control"] = "private, no-cache" if "ETag" in response.headers else "no-store"
    response.headers[VERSION_HEADER] = product_version()
    return response
