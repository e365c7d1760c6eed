"""Browsers without a window: the application on a real database, and users signed in to it."""

import datetime as dt
import re
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Engine
from werkzeug.test import TestResponse

from core.access import user_sessions
from core.access.permissions import Actor
from core.db.engine import Sessions, transaction
from core.enums.people import Role
from core.jobs.keys import JobKey
from tests.factories import NOW, GivenPractice, a_practice
from tests.shared_app import application
from webui.shared.auth import SESSION_COOKIE

CSRF_COOKIE = "settle_forms"
_MARKUP = re.compile(r"<textarea.*?</textarea>|<[^>]+>", re.DOTALL)
_ISO_DATE = re.compile(r"(?<![\w-])(?:19|20)\d\d-\d\d-\d\d(?![\w-])")
_TOKEN = re.compile(r'name="csrf_token" value="([^"]+)"')


class Clock:
    """The application's time. It stands still unless a test advances it."""

    def __init__(self) -> None:
        self.at = NOW

    def __call__(self) -> dt.datetime:
        return self.at

    def turn_on(self, **by: float) -> None:
        self.at += dt.timedelta(**by)


class LinkParser(HTMLParser):
    """Collect every link of a page, and every form that can be sent. A form that sends by GET is a link."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.forms: list[str] = []
        self._action: str | None = None

    @classmethod
    def of(cls, page: TestResponse) -> "LinkParser":
        """Return the links and forms of a page."""
        parsed = cls()
        parsed.feed(page.text)
        return parsed

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        if tag == "a" and attributes.get("href"):
            self.links.append(attributes["href"] or "")
        if tag == "form" and attributes.get("method") == "post":
            self._action = attributes.get("action")
        elif tag == "form":
            self.links.append(attributes.get("action") or "")
        if tag == "button" and self._action and "disabled" not in attributes:
            self.forms.append(self._action)
            self._action = None

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._action = None  # without a button it only shows values


def page_text(answer: TestResponse) -> str:
    """Return the text of a page without its markup, with white space collapsed as browsers do."""
    return " ".join(re.sub(r"<[^>]+>", " ", unescape(answer.text)).split())


def _checked(answer: TestResponse) -> TestResponse:
    """Return the answer after checking that a page shows no date as YYYY-MM-DD."""
    if answer.mimetype == "text/html" and answer.status_code not in range(300, 400):
        assert _ISO_DATE.findall(_MARKUP.sub(" ", answer.text)) == []
    return answer


@dataclass
class Browser:
    """The browser of one user."""

    client: FlaskClient
    actor: Actor | None = None
    headers: dict[str, str] = field(default_factory=dict)
    tokens: dict[tuple[str, tuple[str, ...]], str] = field(default_factory=dict)

    def get(self, path: str, **headers: str) -> TestResponse:
        return _checked(self.client.get(path, headers={**self.headers, **headers}))

    def load(self, path: str) -> TestResponse:
        """Return a page that the user may see."""
        answer = self.get(path)
        assert answer.status_code == 200, (answer.status_code, answer.text)
        return answer

    def read(self, path: str) -> str:
        return unescape(self.load(path).text)

    def says(self, path: str) -> str:
        """Return the text of a page, without its markup."""
        return page_text(self.load(path))

    def status_of(self, job: JobKey) -> str:
        """Return the job's status as its page shows it."""
        found = re.search(r'id="job-status">.*?</svg>([^<]+)<', self.read(f"/jobs/{job.job_id}"), re.DOTALL)
        assert found
        return found[1]

    def post(self, path: str, *, on: str = "/settings", **fields: Any) -> TestResponse:
        """Send a form as the page `on` would, with its CSRF token."""
        data = {"csrf_token": self._token_of(on), **fields}
        return _checked(self.client.post(path, data=data))

    def _token_of(self, page: str) -> str:
        """Return the CSRF token of a page, which stays the same for as long as the browser keeps its cookies."""
        if (page, self._cookies()) not in self.tokens:
            found = _TOKEN.search(self.get(page).text)
            assert found, f"{page} has no form"
            self.tokens[page, self._cookies()] = found[1]
        return self.tokens[page, self._cookies()]

    def _cookies(self) -> tuple[str, ...]:
        cookies = map(self.client.get_cookie, (SESSION_COOKIE, CSRF_COOKIE))
        return tuple(cookie.value for cookie in cookies if cookie)

    def links(self, path: str) -> list[str]:
        return LinkParser.of(self.get(path)).links

    def forms(self, path: str) -> list[str]:
        return LinkParser.of(self.get(path)).forms


@pytest.fixture
def clock() -> Clock:
    """The application's clock."""
    return Clock()


@pytest.fixture
def app(engine: Engine, clock: Clock) -> Flask:
    """The application on this test's database, without a broker."""
    return application(engine, clock)


@pytest.fixture
def practice(sessions: Sessions) -> GivenPractice:
    """A practice with a biller."""
    return a_practice(sessions)


@pytest.fixture
def stranger(app: Flask) -> Browser:
    """A browser without a signed-in user."""
    return Browser(app.test_client())


@pytest.fixture
def browser_of(app: Flask, sessions: Sessions, clock: Clock) -> Callable[[Actor], Browser]:
    """Return a function that opens a browser in which the given user is signed in."""

    def open_browser(actor: Actor) -> Browser:
        with transaction(sessions) as session:
            token = user_sessions.start(session, actor, clock())
        client = app.test_client()
        client.set_cookie(SESSION_COOKIE, token)
        return Browser(client, actor)

    return open_browser


@pytest.fixture
def biller(browser_of: Callable[[Actor], Browser], practice: GivenPractice) -> Browser:
    """The biller's browser."""
    return browser_of(practice.biller)


@pytest.fixture
def admin(browser_of: Callable[[Actor], Browser], practice: GivenPractice) -> Browser:
    """An administrator's browser."""
    return browser_of(practice.person("admin@lakeside.example", Role.ADMIN))


@pytest.fixture
def approver(browser_of: Callable[[Actor], Browser], practice: GivenPractice) -> Browser:
    """An approver's browser."""
    return browser_of(practice.person("ruth@lakeside.example", Role.APPROVER))


@pytest.fixture
def ops(browser_of: Callable[[Actor], Browser], practice: GivenPractice) -> Browser:
    """The browser of a user of operations."""
    return browser_of(practice.person("ops@lakeside.example", Role.OPS))


@pytest.fixture
def mute_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A broker that accepts every connection and never answers, like a paused process."""
    path = Path(tmp_path_factory.mktemp("b")) / "s"
    with socket.socket(socket.AF_UNIX) as mute:
        mute.bind(str(path))
        mute.listen(100)
        yield f"redis+socket://{path}?virtual_host=0"
