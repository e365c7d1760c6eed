"""Named refusals: an expected "no" is a class, its docstring is the sentence that people read."""

from http import HTTPStatus
from typing import Any, ClassVar


class Refusal(Exception):
    """This cannot be done."""

    code: ClassVar[str] = "refused"
    http_status: ClassVar[HTTPStatus] = HTTPStatus.CONFLICT
    retry_after_seconds: ClassVar[int | None] = None  # where waiting helps

    def __init__(self, message: str | None = None, **facts: Any) -> None:
        """`message` replaces the docstring where the sentence needs a value; `facts` go to the API as they are.

        Days in the message are written YYYY-MM-DD, for programs. The fact `days` lists them, and pages write those as
        people do.
        """
        self.message = message or " ".join((type(self).__doc__ or "").split())
        self.facts = facts
        super().__init__(self.message)


class NotFound(Refusal):
    """There is no such thing in this practice."""

    code = "not_found"
    http_status = HTTPStatus.NOT_FOUND


class NotAllowed(Refusal):
    """Your role does not allow this."""

    code = "not_allowed"
    http_status = HTTPStatus.FORBIDDEN


class BadInput(Refusal):
    """Something in the request is not as it must be."""

    code = "bad_input"
    http_status = HTTPStatus.UNPROCESSABLE_ENTITY


class BadSettings(Refusal):
    """A setting of the environment is not as it must be."""

    code = "bad_settings"
