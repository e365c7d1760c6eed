"""A client of the HTTP API, for the commands that act for a user."""

import datetime as dt
import ssl
import time
from collections.abc import Iterator
from contextlib import suppress
from functools import cached_property
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import quote
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import click
import httpx

from core.cli.server_address import is_this_machine
from core.errors import Refusal
from core.settings import load_settings
from core.version import product_version

CONNECT_SECONDS: Final = 5
ANSWER_SECONDS: Final = 300  # a file of a million claims is complete before its first byte is sent
TRIES: Final = 4
PAUSE_SECONDS: Final = 0.25  # before the second try; then twice as long each time
RESTART_SECONDS: Final = 60  # a server that restarts, or its database, is back by then
PAGE_ROWS: Final = 200
VERSION_HEADER: Final = "Settle-Version"
# The command option that resolves a refusal, by the refusal's code.
_CURES: Final = {
    "cost_share_reason_missing": "Add: --cost-share-reason TEXT",
    "cost_share_reason_repeats": "Add: --cost-share-reason TEXT",
    "totals_differ": "To import anyway, add: --accept-difference",
    "write_off_setting_not_chosen": (
        "Or on the server, run: settle write-off-setting patient|insurance|both|neither --practice NAME --as EMAIL"
    ),
    "period_closed": "To post on that date, add: --posting-date {next_open_date}",
}
_MAY_BE_OF_ANOTHER_VERSION: Final = (
    HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.UNPROCESSABLE_ENTITY
)  # fmt: skip


class ServerRefused(Refusal):
    """The server refused the request."""

    code = Refusal.code
    server_code: str | None = None  # the code of the server's refusal


class NotSignedIn(Refusal):
    """You are not signed in. Run `settle login`."""


class ServerUnreachable(Refusal):
    """The server is not answering."""


class NotOurServer(Refusal):
    """This address does not belong to Batch Settle."""


class OtherVersion(Refusal):
    """The server is running a different version than this command."""


def _trusted(url: str) -> ssl.SSLContext:
    """Trust this machine's certificates, or those in SSL_CERT_FILE."""
    if url.startswith("http:"):
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # trusts none, and loading them would take as long as an answer
    return ssl.create_default_context()


class Api:
    """The API of one server, as the user of a token."""

    def __init__(self, url: str, token: str | None = None) -> None:
        """Send nothing yet. Without a token, the user can only sign in."""
        self.url = url
        self._server_version: str | None = None
        self._http = httpx.Client(
            base_url=f"{url}/api/v1",
            headers={"Authorization": f"Bearer {token}"} if token else {},
            timeout=httpx.Timeout(ANSWER_SECONDS, connect=CONNECT_SECONDS),
            verify=_trusted(url),
            trust_env=not is_this_machine(url),  # a network proxy cannot reach this machine
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def get(self, path: str, **params: Any) -> Any:
        """Send a GET request. Return the answer."""
        return self.send("GET", path, params=params)

    def poll(self, path: str) -> Any:
        """Return the answer like `get`, but wait for a server or a database that restarts. Call it after a `get`."""
        until = time.monotonic() + RESTART_SECONDS
        while True:
            try:
                return self.get(path)
            except (NotOurServer, ServerRefused, ServerUnreachable) as refusal:
                is_away = not isinstance(refusal, ServerRefused) or refusal.server_code == "database_away"
                if not is_away or time.monotonic() > until:
                    raise
                time.sleep(PAUSE_SECONDS)

    def get_all(self, path: str, rows: str, *, most: int | None = None, **params: Any) -> dict[str, Any]:
        """Return the answer with the rows of all pages, or with the first `most`."""
        found: list[Any] = []
        cursor = None
        while True:
            limit = PAGE_ROWS if most is None else min(PAGE_ROWS, most - len(found))
            answer: dict[str, Any] = self.get(path, cursor=cursor, limit=limit, **params)
            found += answer[rows]
            cursor = answer["next_cursor"]
            if cursor is None or len(found) == most:
                return {**answer, rows: found}

    def post(self, path: str, body: Any = None, *, key: str | None = None, **params: Any) -> Any:
        """Send a POST request. Return the answer. With an idempotency key, it acts only once, even if sent again."""
        return self.send("POST", path, body=body, key=key, params=params)

    def put_bytes(self, path: str, content: bytes) -> None:
        """Upload a piece of a file. A piece that is sent again replaces the first one."""
        self._answer(self._send("PUT", path, params={}, content=content))

    def send(
        self, method: str, path: str, *, body: Any = None, key: str | None = None, params: dict[str, Any] | None = None
    ) -> Any:
        """Send a request and return the JSON of its answer. Raise `ServerRefused` with the server's sentence."""
        return self._answer(self._send(method, path, body=body, key=key, params=params or {}))

    def download(self, path: str, target: Path | None, **params: Any) -> None:
        """Download a file to `target`, or to standard output. `target` is either complete or missing."""
        response = self._send("GET", path, params=params, stream=True)
        try:
            if not response.is_success or "Content-Disposition" not in response.headers:
                response.read()
                self._answer(response)
                raise self._not_ours(response)
            if target is None:
                for piece in self._pieces(response):
                    click.echo(piece, nl=False)
            else:
                _write(target, self._pieces(response))
        finally:
            response.close()

    @cached_property
    def time_zone(self) -> dt.tzinfo:
        """The practice's time zone, in which pages show times. UTC if the token may not read it."""
        try:
            return ZoneInfo(self.get("/practice")["time_zone"])
        except (Refusal, ZoneInfoNotFoundError):  # what the command did stays done
            return dt.UTC

    def other_version(self, reason: str) -> OtherVersion:
        """Return the refusal for an answer that this version does not understand."""
        return OtherVersion(f"This command does not understand the server's answer ({reason}).{self._versions()}")

    def _send(
        self, method: str, path: str, *, params: dict[str, Any], body: Any = None, key: str | None = None,
        content: bytes | None = None, stream: bool = False,
    ) -> httpx.Response:  # fmt: skip
        headers = {"Idempotency-Key": key} if key else {}
        given = {name: value for name, value in params.items() if value is not None}
        request = self._http.build_request(method, path, params=given, json=body, content=content, headers=headers)
        is_repeatable = method == "GET" or key is not None or content is not None
        for attempt in range(TRIES):
            try:
                response = self._http.send(request, stream=stream)
            except httpx.TransportError as error:
                if not is_repeatable or attempt == TRIES - 1 or not _may_pass(error):
                    raise self._unreachable(error, is_repeatable=is_repeatable) from None
                time.sleep(PAUSE_SECONDS * 2**attempt)
            else:
                self._server_version = response.headers.get(VERSION_HEADER)
                return response
        raise AssertionError("the last try returns or raises")

    def _answer(self, response: httpx.Response) -> Any:
        kind = response.headers.get("Content-Type", "").partition(";")[0]
        with suppress(ValueError):
            if response.status_code == HTTPStatus.NO_CONTENT:
                return None
            if response.is_success and kind == "application/json":
                return response.json()
            if kind == "application/problem+json":
                raise self._refusal(response.json(), response.status_code)
        raise self._not_ours(response)

    def _refusal(self, problem: dict[str, Any], status: int) -> Refusal:
        code, facts = problem.get("code"), problem.get("facts") or {}
        if code == "token_needed" and load_settings().token is not None:
            return NotSignedIn(
                f"{self.url} does not accept the token in SETTLE_TOKEN: it is wrong, it expired or was revoked, or its "
                "user was deactivated. Replace it, or unset it and run `settle login`."
            )
        if code == "token_needed":
            return NotSignedIn(
                f"{self.url} does not accept the token: it expired or was revoked, or its user was deactivated. "
                f"To sign in again, run: settle login --server {self.url}"
            )
        words = [problem.get("detail") or "The server refused the request."]
        with suppress(KeyError):
            words.append(_CURES.get(code or "", "").format(**facts))
        versions = self._versions() if status in _MAY_BE_OF_ANOTHER_VERSION else ""
        refusal = ServerRefused(" ".join(filter(None, words)) + versions, **facts)
        refusal.server_code = code
        return refusal

    def _versions(self) -> str:
        """Return a sentence if the server's version differs from ours."""
        ours, theirs = product_version(), self._server_version
        if theirs == ours:
            return ""
        runs = f"is running version {theirs}" if theirs else "may be running an older version"
        return f" The server {runs}, but this command is version {ours}. Install the version that the server runs."

    def _not_ours(self, response: httpx.Response) -> NotOurServer:
        kind = response.headers.get("Content-Type", "no content type").partition(";")[0]
        at = f"{self.url} answered with status {response.status_code} and {kind}"
        if response.is_redirect:
            to = response.headers.get("Location", "").partition("?")[0].removesuffix(response.request.url.path)
            return NotOurServer(f"{at} and redirected to {to}. If that is your server, run: settle login --server {to}")
        return NotOurServer(
            f"{at}. This answer did not come from Batch Settle. Check the address. A proxy may have answered instead, "
            "because the server is down or the proxy requires its own sign-in."
        )

    def _unreachable(self, error: httpx.TransportError, *, is_repeatable: bool) -> ServerUnreachable:
        tls = _tls_error(error)
        if tls is not None:
            reason = getattr(tls, "verify_message", "") or tls.reason or type(tls).__name__
            return ServerUnreachable(
                f"The TLS connection to {self.url} failed: {reason}. If your organization issued the certificate, set "
                "SSL_CERT_FILE to its certificate authority's file."
            )
        if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
            return ServerUnreachable(
                f"{self.url} is not answering. Check that the server is running, or choose another with --server URL."
            )
        if isinstance(error, httpx.ReadTimeout):
            words = f"{self.url} did not answer within {ANSWER_SECONDS} seconds."
        else:
            words = f"The connection to {self.url} was lost ({type(error).__name__})."
        repeat = (
            "Try again."
            if is_repeatable
            else "The server may already have done what you asked. Check before you try again."
        )
        return ServerUnreachable(f"{words} {repeat}")

    def _pieces(self, response: httpx.Response) -> Iterator[bytes]:
        try:
            yield from response.iter_bytes()
        except httpx.TransportError as error:
            raise self._unreachable(error, is_repeatable=True) from None


def claim_path(claim: str, what: str = "") -> str:
    """Return the path of a claim, followed by `what`. A claim's number may contain any character."""
    return f"/claims/{quote(claim, safe='')}{what}"


def _write(path: Path, pieces: Iterator[bytes]) -> None:
    # Write under a temporary name first, so that a partial file is never mistaken for a complete one.
    partial = path.with_name(f"{path.name}.partial")
    try:
        with partial.open("wb") as file:
            file.writelines(pieces)
        partial.replace(path)
    except OSError as error:
        raise click.FileError(str(path), error.strerror) from None
    finally:
        with suppress(OSError):
            partial.unlink(missing_ok=True)


def _may_pass(error: httpx.TransportError) -> bool:
    """Return whether another try may succeed."""
    return _tls_error(error) is None and isinstance(error, httpx.NetworkError | httpx.RemoteProtocolError)


def _tls_error(error: BaseException) -> ssl.SSLError | None:
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, ssl.SSLError):
        cause = cause.__cause__ or cause.__context__
    return cause
