"""Parse API requests: each view gets a user whose role allows it, and validated arguments."""

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import wraps
from http import HTTPStatus
from typing import Annotated, Any, ClassVar, Final, Literal, Protocol, Self, TypeVar, cast, get_args, get_type_hints

from flask import request
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, ValidationError
from pydantic_core import from_json
from sqlalchemy.orm import Session
from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import UnsupportedMediaType

from core import paging, reading
from core.access.permissions import Action, Actor, Scope
from core.db.engine import transaction
from core.errors import BadInput, NotFound
from core.jobs.keys import JobKey, NoSuchJob
from core.jobs.preview.freezing import BadIdempotencyKey
from core.paging import BadCursor
from webui.shared.app_context import app_context
from webui.shared.problem_json import BadRequestBody
from webui.shared.token_auth import current_actor

LIMIT_MAX: Final = 200
LIMIT_DEFAULT: Final = 100
IDEMPOTENCY_KEY_CHARACTERS_MAX: Final = 200
_ID: Final = re.compile(r"[1-9][0-9]{0,17}")  # fits in a bigint
_NUL: Final = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")

Limit = Annotated[
    int, Field(ge=1, le=LIMIT_MAX), BeforeValidator(reading.whole_number(f"enter a whole number from 1 to {LIMIT_MAX}"))
]
FileFormat = Literal["csv", "xlsx"]
View = Callable[..., Any]
Model = TypeVar("Model", bound=BaseModel)
Row = TypeVar("Row")


class BadQuery(BadInput):
    """A query parameter is invalid."""


class BadBody(BadInput):
    """The request body is invalid."""


class IdempotencyKeyMissing(BadInput):
    """Send an Idempotency-Key header with your own ID. A repeated request with the same key and body acts only once."""

    http_status: ClassVar[HTTPStatus] = HTTPStatus.BAD_REQUEST


class Readable(Protocol):
    """A model that refuses bad values in its own words."""

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Self:
        """Read it. Raise a `Refusal`."""


class Parameters(BaseModel):
    """Query parameters. Unknown ones are refused, so a typo never selects everything."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Self:
        """Read the parameters. Raise `BadQuery` naming each bad one."""
        return _read(cls, given, BadQuery, context=reading.TEXT_CONTEXT)


class AnyPage(Parameters):
    """A page of a list, with a cursor that only that list understands."""

    cursor: Annotated[str, Field(description="next_cursor from the previous page; empty for the first page")] = ""
    limit: Limit = LIMIT_DEFAULT


class Page(AnyPage):
    """A page of a list with a numeric cursor. A query reads one more row than the page shows."""

    def after(self) -> int | None:
        """Return the number in the cursor. Raise `BadCursor`."""
        if not self.cursor:
            return None
        if not _ID.fullmatch(self.cursor):
            raise BadCursor
        return int(self.cursor)

    def cut(self, rows: Sequence[Row], key: str = "id") -> tuple[list[Row], str | None]:
        """Return the rows to show, and the cursor for the next page if there are more rows."""
        shown, last = paging.cut(rows, self.limit)
        return shown, None if last is None else str(getattr(last, key))


class IdPath(BaseModel):
    """An ID in the path, read into the first field of a subclass."""

    missing: ClassVar[type[NotFound]]

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Self:
        """Read the id. Raise `missing` if it is not a valid id."""
        if not _ID.fullmatch(given[cls._field()]):
            raise cls.missing
        return cls.model_validate(given)

    @property
    def id(self) -> int:
        """Return the id."""
        return int(getattr(self, self._field()))

    @classmethod
    def _field(cls) -> str:
        return next(iter(cls.model_fields))


class JobPath(IdPath):
    """The job's ID."""

    missing = NoSuchJob
    job_id: str

    def key(self, actor: Actor) -> JobKey:
        """Return the job's key in the caller's practice."""
        return JobKey(actor.practice_id, self.id)


class ClaimPath(BaseModel):
    """The practice's own claim ID."""

    claim_id: str

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Self:
        """Accept any text as a claim's number."""
        return cls(claim_id=given["claim_id"])


def parse_format(given: Mapping[str, Any], what: str) -> FileFormat:
    """Return the format in the path of a file. Raise `NotFound` for any other format. `what` begins its sentence."""
    for form in get_args(FileFormat):
        if form == given["form"]:
            return cast("FileFormat", form)
    raise NotFound(f"{what} available as {' and '.join(get_args(FileFormat))}.")


class Body(BaseModel):
    """A request body."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Self:
        """Read the body. Raise `BadBody` naming each bad place."""
        return _read(cls, given, BadBody)


class OnceHeaders(BaseModel):
    """Headers of a request that must act only once."""

    idempotency_key: Annotated[
        str,
        StringConstraints(min_length=1, max_length=IDEMPOTENCY_KEY_CHARACTERS_MAX),
        Field(
            alias="Idempotency-Key",
            description="Your own ID. A repeated request with the same key and body acts only once",
        ),
    ]

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Self:
        """Read the headers. Raise `IdempotencyKeyMissing` or `BadIdempotencyKey`."""
        key = given.get("Idempotency-Key", "")
        if not key.strip():
            raise IdempotencyKeyMissing
        if len(key) > IDEMPOTENCY_KEY_CHARACTERS_MAX or not key.isprintable():
            raise BadIdempotencyKey
        return cls.model_validate({"Idempotency-Key": key})


def requires(action: Action, *, scope: Scope = Scope.READ) -> Callable[[View], View]:
    """Let users whose role allows `action` call a view. The view declares its path, query, header and body.

    `scope` is what the token needs besides the scope of the action, for what users change in what they see.
    """

    def check() -> None:
        current_actor().require(action)
        if scope is not Scope.READ:
            current_actor().require_scope(scope)

    return _reads_after(check)


def requires_token(view: View) -> View:
    """Let every user call a view, whatever their role. Otherwise like `requires`."""
    return _reads_after(current_actor)(view)


def open_to_all(view: View) -> View:
    """Let a caller without a token call a view. Otherwise like `requires`."""
    return _reads_after(lambda: None)(view)


def _reads_after(check: Callable[[], object]) -> Callable[[View], View]:
    """Check the caller, then read what the view declares, and open the session that it asks for.

    The models in a view's signature describe it in the OpenAPI document, and read the request here. flask-openapi3
    could do that, but it treats a body that is not JSON as empty, and ignores all values but the first.

    With a `session`, a GET reads, and any other request is one transaction, committed when the view returns. A view
    that does something after the commit, such as sending hints, opens its own transaction instead.
    """

    def wrap(view: View) -> View:
        hints = get_type_hints(view)
        models: dict[str, type[Readable]] = {part: model for part, model in hints.items() if part in _SOURCES}

        @wraps(view)
        def answer(**path: str) -> object:
            check()
            given = {part: model.of(_SOURCES[part](path)) for part, model in models.items()}
            if "session" not in hints:
                return view(**given)
            with _session() as session:
                return view(session=session, **given)

        return answer

    return wrap


def _session() -> AbstractContextManager[Session]:
    sessions = app_context().sessions
    return sessions() if request.method in {"GET", "HEAD"} else transaction(sessions)


def json_object() -> dict[str, Any]:
    """Return the body as a JSON object. Raise `BadRequestBody` with the place, or 415 for a different content type."""
    if not request.is_json:
        raise UnsupportedMediaType("Send the body as application/json.")
    text = request.get_data()
    if _NUL.search(text):
        raise BadRequestBody("The body contains a NUL character (\\u0000), which is never part of a name or number.")
    try:
        given = from_json(text, allow_inf_nan=False)
    except ValueError as error:
        raise BadRequestBody(f"The body is not JSON: {error}.") from None
    if not isinstance(given, dict):
        raise BadRequestBody
    return given


def single_or_many(given: MultiDict[str, str]) -> dict[str, str | list[str]]:
    """Return each key with its value, or with a list of its values if it is repeated."""
    return {key: values if len(values) > 1 else values[0] for key, values in given.lists()}


_SOURCES: Final[dict[str, Callable[[dict[str, str]], Mapping[str, Any]]]] = {
    "path": lambda path: path,
    "query": lambda _: single_or_many(request.args),
    "header": lambda _: dict(request.headers),
    "body": lambda _: json_object(),
}


def _read(model: type[Model], given: Mapping[str, Any], refusal: type[BadInput], **how: Any) -> Model:
    try:
        return model.model_validate(given, **how)
    except ValidationError as error:
        raise refusal(reading.join_faults(reading.faults_by_path(error))) from None
