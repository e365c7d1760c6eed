"""Access to pages and API: each role and address, another practice, no session, no form token, every refusal."""

import importlib
import io
import pkgutil
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import text
from werkzeug.test import TestResponse

import core
import webui
from core.access import tokens, user_sessions
from core.access.permissions import ALLOWED_ACTIONS, Action, Actor
from core.books import closing
from core.claims import views
from core.claims.views import ViewContent
from core.db.engine import make_sessions, transaction
from core.enums.people import Role
from core.errors import Refusal
from core.exports import layouts, sent_files
from core.intake.mapping.saved_mappings import save_mapping
from core.intake.parsing.faults import ImportRefused
from core.intake.uploads import receive
from core.models.people import User
from core.notices import webhooks
from core.notices.webhooks import KINDS
from core.practices import exclusions
from core.schedules import schedule_commands
from core.x12.problems import FileRefused
from tests.core.intake.mapping.conftest import MAPPING
from tests.core.schedules.conftest import a_request
from tests.factories import NOW, GivenPractice, a_practice
from tests.own_export import csv_file, rows_of
from tests.remittances import clp, st, svc, take_transactions
from tests.servers import Databases
from tests.shared_app import application, engine_on
from tests.uploads import uploads_of
from tests.webui.addresses import ACTION_OF, API, BODIES, FIELDS, NAVIGATION, PAGES, PUBLIC, TIMES
from tests.webui.conftest import Browser, LinkParser
from webui.shared.auth import SESSION_COOKIE
from webui.shared.labels import message_for_page

AUDIT = {"audit_entry", "audit_link", "audit_head"}
DIALOG = {"X-Dialog": "1"}  # without it, a part of a page redirects to its page


@dataclass
class House:
    """Two practices, and a browser of each role in the first."""

    app: Flask
    practice: GivenPractice
    of: dict[Role, Browser]
    stranger: Browser
    tokens: dict[Actor | None, str]

    def answer(self, browser: Browser, method: str, path: str, *, on: str = "/claims") -> TestResponse:
        """Send a request, with the token of its form or with a body of the API."""
        if path.startswith(API):
            body = next((body for end, body in BODIES.items() if re.search(end, path)), {})
            headers = {"Authorization": f"Bearer {self.tokens[browser.actor]}", "Idempotency-Key": "a key"}
            return self.app.test_client().open(path, method=method, json=body, headers=headers)
        return browser.get(path, **DIALOG) if method == "GET" else browser.post(path, on=on, **FIELDS)

    def send(self, browser: Browser, method: str, path: str, *, on: str = "/claims") -> HTTPStatus:
        """Send a request and return the status."""
        return HTTPStatus(self.answer(browser, method, path, on=on).status_code)

    def state(self) -> dict[str, object]:
        """Return a digest of each table but those in which each request leaves its time, or a refusal its entry."""
        with self.practice.sessions() as session:
            tables = session.scalars(text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")).all()
            digest = "SELECT md5(string_agg(t::text, '|' ORDER BY t::text)) FROM {} t"
            return {name: session.scalar(text(digest.format(name))) for name in tables if name not in {*TIMES, *AUDIT}}

    def audited(self, act: str) -> int:
        """Return how many entries of the audit log have this act, or any other if it begins with "!"."""
        wanted = "act <> :act" if act.startswith("!") else "act = :act"
        with self.practice.sessions() as session:
            counted = session.scalar(
                text(f"SELECT count(*) FROM audit_entry WHERE {wanted}"), {"act": act.removeprefix("!")}
            )
            return int(counted or 0)


@pytest.fixture(scope="module")
def house(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with databases.fresh() as url:
        engine = engine_on(url)
        app = application(engine, lambda: NOW, name="of the doors")
        practice, other = a_practice(make_sessions(engine)), a_practice(make_sessions(engine), name="Harbor")
        others = (Role.APPROVER, Role.ADMIN, Role.OPS)
        actors = {Role.BILLER: practice.biller} | {
            one: practice.person(f"{one}@lakeside.example", one) for one in others
        }
        admin = actors[Role.ADMIN]
        practice.claims(5)
        practice.post("C00001", 1)  # posting 11
        practice.limit(claim=1)
        practice.post("C00001", 2, key="over")
        practice.limit()
        practice.preview({"claim_ids": ["C00001"]})
        practice.request_reversal(practice.settle({"claim_ids": ["C00002"]}, key="settled"), by=admin)
        schedule = practice.act(schedule_commands.create, a_request(filter={"claim_id": "C00003"}), by=admin)
        practice.act(schedule_commands.run_now, schedule.id, key="run", by=admin)
        practice.confirmed({"claim_ids": ["C00004"]}, key="confirmed")
        practice.limit(job=1)
        practice.confirmed({"claim_ids": ["C00005"]}, key="over the limit")
        practice.act(exclusions.exclude, payer="1", reason="Why", by=admin)
        practice.act(views.save_as, "Mine", ViewContent(), shared=True, by=admin)
        practice.act(layouts.save, "Ours", layouts.BUILT_IN[0].layout)
        practice.act(sent_files.send, "Ours", key="sent")
        practice.act(receive.begin, [receive.UploadedFile("claims.csv", 1)], bytes_max=1, idempotency_key="import")
        with uploads_of(practice, tmp_path_factory.mktemp("template")) as uploads:
            uploads.checked({"ar.csv": csv_file(rows_of(1))})  # import 2 needs a mapping
        practice.act(save_mapping, practice.id, name="Our export", mapping=MAPPING)
        webhook = practice.act(webhooks.add, url="https://pm.example/", kinds=KINDS, reach="public", by=admin)
        practice.act(webhooks.send_test, webhook.id, by=admin)
        take_transactions(practice, st(clp("0", "100", "100", svc("100", "100")), paid="100"))  # remittance 1
        practice.act(closing.close, NOW.date().replace(month=10, day=1), by=admin)

        all_tokens: dict[Actor | None, str] = {}

        def browser(actor: Actor) -> Browser:
            client = app.test_client()
            with transaction(practice.sessions) as session:
                client.set_cookie(SESSION_COOKIE, user_sessions.start(session, actor, NOW))
                all_tokens[actor] = tokens.add_token(session, session.get_one(User, actor.user_id), NOW)
            return Browser(client, actor)

        stranger = browser(other.person("admin@harbor.example", Role.ADMIN))
        yield House(app, practice, {role: browser(one) for role, one in actors.items()}, stranger, all_tokens)
        engine.dispose()


def action_of(house: House, method: str, path: str) -> Action | None:
    """Return the action that the address needs, by its rule, or None if all users may open it."""
    adapter = house.app.url_map.bind("localhost")
    job = re.match(r"/jobs/(\d+)/(confirm|discard|date|pause|resume|cancel|retry-failed)$", path)
    if method == "POST" and job:  # it depends on the kind of the job, which these two have
        path = f"/jobs/{3 if job[1] == '3' else 1}/{job[2]}"
        return ACTION_OF[method, path]
    wanted = adapter.match(path.partition("?")[0].partition("#")[0], method)[0]
    same = (key for key in PAGES if key[0] == method and adapter.match(key[1], method)[0] == wanted)
    return next((ACTION_OF[key] for key in same), None)


def test_every_address_stands_in_the_table(house: House) -> None:
    served = {
        (method, rule.rule)
        for rule in house.app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
        if rule.rule not in PUBLIC
    }
    adapter = house.app.url_map.bind("localhost")
    listed = {(method, adapter.match(path, method, return_rule=True)[0].rule) for method, path in ACTION_OF}
    assert listed == served


@pytest.mark.parametrize("role", list(Role))
def test_a_role_is_refused_exactly_where_the_table_says_so(house: House, role: Role) -> None:
    before, on = house.state(), "/operations" if role is Role.OPS else "/claims"
    others, refusals = house.audited("!user.refused"), house.audited("user.refused")
    refused = [key for key, action in ACTION_OF.items() if action not in ALLOWED_ACTIONS[role]]

    assert {key: house.send(house.of[role], *key, on=on) for key in refused} == dict.fromkeys(
        refused, HTTPStatus.FORBIDDEN
    )
    assert house.state() == before
    assert house.audited("!user.refused") == others
    assert house.audited("user.refused") == refusals + len(refused)
    may = [key for key, action in ACTION_OF.items() if action in ALLOWED_ACTIONS[role] and key[0] == "GET"]
    assert {key: house.send(house.of[role], *key, on=on) for key in may} == {
        key: HTTPStatus.SEE_OTHER if key[1].startswith("/feed/views/") else HTTPStatus.OK for key in may
    }


@pytest.mark.parametrize("role", list(Role))
def test_pages_offer_every_list_but_no_link_and_no_form_that_their_user_may_not_use(house: House, role: Role) -> None:
    offered = set()
    for method, path in PAGES:
        if method == "GET" and not path.endswith((".csv", ".zip")):
            page = house.of[role].get(path)
            if page.status_code == HTTPStatus.OK:
                parsed = LinkParser.of(page)
                offered |= {("GET", link) for link in parsed.links if link.startswith("/")}
                offered |= {("POST", form) for form in parsed.forms if form.startswith("/")}
    offered = {(method, path) for method, path in offered if not path.startswith("/static/")}
    needed = {(method, path): action_of(house, method, path) for method, path in offered}

    listed = {path for path in NAVIGATION if ACTION_OF["GET", path] in ALLOWED_ACTIONS[role]}
    assert listed <= {path for method, path in offered if method == "GET"}
    assert {key for key, action in needed.items() if action and action not in ALLOWED_ACTIONS[role]} == set()


def test_an_administrator_of_another_practice_finds_nothing_of_this_one(house: House) -> None:
    before = house.state()
    # A month and the lists exist in each practice; they show its own.
    of_one = [key for key in ACTION_OF if re.search(r"/(\d+|C00001)(/|$)", key[1].removeprefix(API))]

    assert len(of_one) > 40
    assert {key: house.send(house.stranger, *key) for key in of_one} == dict.fromkeys(of_one, HTTPStatus.NOT_FOUND)
    assert house.state() == before
    for key in ACTION_OF:
        if key[0] == "GET" and key not in of_one and not key[1].endswith("/operations"):
            seen = house.answer(house.stranger, *key)
            assert seen.status_code == HTTPStatus.OK, key
            shown = _unzipped(seen.data) if key[1].endswith((".xlsx", ".zip")) else seen.text
            assert not re.search(r"C0000\d|lakeside\.example|Small balances|jobs/\d", shown), key


def _unzipped(file: bytes) -> str:
    with zipfile.ZipFile(io.BytesIO(file)) as parts:
        return "".join(parts.read(name).decode() for name in parts.namelist())


def test_without_a_session_every_page_leads_to_the_sign_in(house: House) -> None:
    signed_out = Browser(house.app.test_client())

    for method, path in PAGES:
        answer = signed_out.get(path) if method == "GET" else signed_out.post(path, on="/sign-in", **FIELDS)
        assert (answer.status_code, answer.location.partition("?")[0]) == (302, "/sign-in"), (method, path)


def test_a_form_without_its_token_changes_nothing(house: House) -> None:
    before = house.state()

    for method, path in [*PAGES, ("POST", "/sign-in"), ("POST", "/sign-out")]:
        if method == "POST":
            answer = house.of[Role.ADMIN].client.post(path, data=FIELDS)
            assert (answer.status_code, "This form has expired" in answer.text) == (400, True), path
    assert house.state() == before


def all_refusals() -> list[type[Refusal]]:
    """Return every class of refusal of the product."""
    for package in (core, webui):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not module.name.endswith("__main__") and ".migrations." not in module.name:
                importlib.import_module(module.name)
    found, todo = [], [Refusal]
    while todo:
        todo += (one := todo.pop()).__subclasses__()
        found.append(one)
    return sorted(set(found), key=lambda one: (one.code, one.__qualname__))


def test_the_codes_of_the_refusals_stay() -> None:
    codes = {one.code for one in all_refusals() if one.__module__.startswith(("core.", "webui."))}

    assert "\n".join(sorted(codes)) == Path(__file__).with_name("refusal_codes.txt").read_text().rstrip()


@pytest.mark.parametrize(
    "refusal",
    [one for one in all_refusals() if one not in (ImportRefused, FileRefused)],
    ids=lambda one: one.__qualname__,
)
def test_every_refusal_has_a_page_and_a_problem_with_its_status_and_sentence(
    house: House, refusal: type[Refusal]
) -> None:
    raised = refusal("Said in one sentence.", months=1)
    with house.app.test_request_context("/jobs"):
        page = house.app.make_response(house.app.handle_user_exception(raised))
    with house.app.test_request_context("/api/v1/claims"):
        problem = house.app.make_response(house.app.handle_user_exception(raised))

    assert (page.status_code, page.mimetype) == (refusal.http_status, "text/html")
    assert message_for_page(raised) in page.get_data(as_text=True)
    assert (problem.status_code, problem.json["code"]) == (refusal.http_status, refusal.code)
    assert (problem.json["detail"], problem.json["facts"]) == ("Said in one sentence.", {"months": 1})
    waits = None if refusal.retry_after_seconds is None else str(refusal.retry_after_seconds)
    assert page.headers.get("Retry-After") == problem.headers.get("Retry-After") == waits
