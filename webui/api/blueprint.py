"""The blueprint for version 1, and what all its answers have in common."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import wraps
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, Generic, NamedTuple, TypeVar

from flask import Blueprint, Response, jsonify
from flask.blueprints import BlueprintSetupState
from flask.typing import ResponseReturnValue
from pydantic import BaseModel
from werkzeug.routing import PathConverter

from core.access.permissions import Action, Scope
from core.version import product_version
from webui.api.request_parsing import requires
from webui.shared.file_downloads import CSV, XLSX, ZIP

View = TypeVar("View", bound=Callable[..., Any])
Model_co = TypeVar("Model_co", bound=BaseModel, covariant=True)

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
TABLE_FILE: Final = {
    "description": "The file",
    "content": {name.partition(";")[0]: {"schema": {"type": "string"}} for name in (CSV, XLSX)},
}


class DescribedView(NamedTuple):
    """A view with its description for the OpenAPI document."""

    method: str
    rule: str
    view: Callable[..., Any]
    description: dict[str, Any]


@dataclass(frozen=True)
class Reply(Generic[Model_co]):
    """An answer with headers, or with another status than its view's."""

    answer: Model_co
    headers: dict[str, str] = field(default_factory=dict)
    status: int | None = None


class DescribedBlueprint(Blueprint):
    """A blueprint whose views return models, and which keeps the descriptions of its views.

    The document is made of them at its first request, because making it takes longer than the rest of the start.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Start without views."""
        super().__init__(*args, **kwargs)
        self.described: list[DescribedView] = []

    def route(  # type: ignore[override]  # no view may leave out what it needs
        self, rule: str, *, needs: Action | None, scope: Scope = Scope.READ, **options: Any
    ) -> Callable[[View], View]:
        """Add a view. `get`, `post`, `put`, `patch` and `delete` call this with their method.

        The caller's role and token must allow the action `needs`, and the token must have the `scope`. If `needs` is
        None, the view has another guard of `request_parsing`.

        The view returns a model, a `Reply` with one, a finished response, or None for an empty answer. `status` is that
        of its answer, and `tag` is its heading in the document. `docs` knows the other options.
        """
        method, status = options.pop("methods")[0], options.get("status", HTTPStatus.OK)

        def add(view: View) -> View:
            guarded = view if needs is None else requires(needs, scope=scope)(view)

            @wraps(view)
            def respond(**path: str) -> ResponseReturnValue:
                return _response(guarded(**path), status)

            self.described.append(DescribedView(method.lower(), rule, view, options))
            super(DescribedBlueprint, self).route(rule, methods=[method])(respond)
            return view

        return add

    if TYPE_CHECKING:  # Flask's own types know no view that returns a model
        get = post = put = patch = delete = route  # type: ignore[assignment]


def _response(found: Any, status: int) -> ResponseReturnValue:
    if found is None:
        return "", HTTPStatus.NO_CONTENT
    if isinstance(found, BaseModel):
        return jsonify(found.model_dump(mode="json")), status
    if isinstance(found, Reply):
        return jsonify(found.answer.model_dump(mode="json")), found.status or status, found.headers
    finished: Response = found
    return finished


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
