"""Refusals. Each expected "no" is a class, and its docstring is the sentence that users read."""

from http import HTTPStatus
from typing import Any, ClassVar, TypeVar

from core.snake_case import snake_case

T = TypeVar("T")


class Refusal(Exception):
    """This cannot be done."""

    code: ClassVar[str] = "refused"
    http_status: ClassVar[HTTPStatus] = HTTPStatus.CONFLICT
    retry_after_seconds: ClassVar[int | None] = None  # set if waiting helps

    def __init_subclass__(cls) -> None:
        """Derive the code from the class's name: `BadInput` is `bad_input`. A renamed class states its old code."""
        if "code" not in vars(cls):
            cls.code = snake_case(cls.__name__)

    def __init__(self, message: str | None = None, **facts: Any) -> None:
        """Use `message` instead of the docstring if the sentence needs a value. The API returns `facts`.

        Days in the message are written YYYY-MM-DD, for programs. The fact `days` lists them, so that pages can write
        them as MM/DD/YYYY.
        """
        self.message = message or " ".join((type(self).__doc__ or "").split())
        self.facts = facts
        super().__init__(self.message)


def or_raise(value: T | None, refusal: Refusal | type[Refusal]) -> T:
    """Return the value. Raise the refusal if it is None."""
    if value is None:
        raise refusal
    return value


class NotFound(Refusal):
    """This does not exist in this practice."""

    http_status = HTTPStatus.NOT_FOUND

    def __init_subclass__(cls) -> None:
        """Keep the code `not_found`: what is missing is in the address."""


class NotAllowed(Refusal):
    """Your role does not allow this."""

    http_status = HTTPStatus.FORBIDDEN


class BadInput(Refusal):
    """Something in the request is not valid."""

    http_status = HTTPStatus.UNPROCESSABLE_ENTITY


class BadSettings(Refusal):
    """An environment setting is not valid."""
