"""Requests to an identity provider: to checked addresses, of bounded size, and within a few seconds in all."""

import json
from collections.abc import Mapping
from time import monotonic
from typing import Any, Final, NamedTuple
from urllib.parse import urlencode

from core.delivery import web_request
from core.errors import BadInput
from core.notices.webhook_address import WebhookReach, check_url
from core.single_sign_on.refusals import ProviderDown, ProviderMisconfigured

SECONDS: Final = 6  # for all requests of one sign-in, so that a provider that hangs holds a thread no longer
BYTES_MAX: Final = 500_000
_CAUSES: Final = {
    "timeout": "It does not answer in time.",
    "no_connection": "The connection to it fails.",
    "bad_certificate": "Its certificate is not valid.",
    "unknown_host": "Its host name is unknown.",
    "address_refused": "Its address is not public, so requests to it are not sent (SETTLE_WEBHOOK_REACH).",
    "too_large": "Its answer is too large.",
}


class ProviderAnswer(NamedTuple):
    """An answer in the form that Authlib reads."""

    status_code: int
    text: str

    def json(self) -> Any:
        """Return the JSON. Raise `ValueError`."""
        return json.loads(self.text)

    def raise_for_status(self) -> None:
        """Raise `ProviderMisconfigured`. Authlib calls this for an answer that is not JSON."""
        raise ProviderMisconfigured(
            f"The identity provider answers HTTP {self.status_code} without JSON. Tell an administrator."
        )


class WebClient:
    """Sends the requests of one sign-in."""

    def __init__(self, reach: WebhookReach) -> None:
        """Start the time that all requests share."""
        self._reach: WebhookReach = reach
        self._ends = monotonic() + SECONDS

    def get_json(self, url: str, *, what: str, headers: Mapping[str, str] | None = None) -> dict[str, Any]:
        """Return a JSON object. Raise `ProviderDown`, or `ProviderMisconfigured` that names `what` is missing."""
        answer = self._fetch("GET", url, {"Accept": "application/json", **(headers or {})}, b"")
        try:
            found = answer.json()
        except ValueError:
            found = None
        if answer.status_code != 200 or not isinstance(found, dict):  # noqa: PLR2004
            raise ProviderMisconfigured(f"{what} ({url}) answers HTTP {answer.status_code}, or no JSON object.")
        return found

    def post(self, url: str, data: Mapping[str, str], headers: Mapping[str, str], auth: Any) -> ProviderAnswer:
        """Send a form, as Authlib asks. `auth` adds the client's ID and secret."""
        url, headers, body = auth.prepare("POST", url, dict(headers), urlencode(data))
        return self._fetch("POST", url, headers, body.encode())

    def _fetch(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> ProviderAnswer:
        try:
            check_url(url, reach=self._reach)
        except BadInput as refusal:
            raise ProviderMisconfigured(f"{url}: {refusal.message}") from None
        seconds = self._ends - monotonic()
        if seconds <= 0:
            raise _down("timeout")
        answer = web_request.fetch(method, url, headers, body, reach=self._reach, bytes_max=BYTES_MAX, seconds=seconds)
        if not answer.result.startswith("HTTP "):
            raise _down(answer.result)
        if answer.result.startswith("HTTP 5"):
            raise ProviderDown(f"The identity provider has a fault ({answer.result}). Try again in a minute.")
        return ProviderAnswer(int(answer.result.removeprefix("HTTP ")), answer.content.decode(errors="replace"))


def _down(result: str) -> ProviderDown:
    cause = _CAUSES.get(result, f"The request to it fails ({result}).")
    return ProviderDown(f"The identity provider cannot be reached. {cause} Try again in a minute.")
