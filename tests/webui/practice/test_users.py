"""The Users page and the approval limits: administrators only, never their own account; an empty limit is an error."""

import re
from collections.abc import Callable

import pytest
from werkzeug.test import TestResponse

from core.access import users
from core.access.permissions import Actor
from core.db.engine import transaction
from core.enums.people import Role
from core.models.people import User
from core.models.practices import Practice
from core.money import UNLIMITED
from tests.factories import NOW, GivenPractice
from tests.webui.conftest import Browser, page_text

OPEN = Callable[[Actor], Browser]
NEW = "orchid tunnel 44 velvet"
LIMITS = {"claim_limit_cents": "250", "job_limit_cents": "unlimited"}


def person(practice: GivenPractice) -> User:
    with practice.sessions() as session:
        return session.get_one(User, practice.biller.user_id)


def page_of(practice: GivenPractice) -> str:
    return f"/users/{practice.biller.user_id}"


def limits_of(practice: GivenPractice) -> tuple[int, int]:
    with practice.sessions() as session:
        found = session.get_one(Practice, practice.id)
        return found.claim_limit_cents, found.job_limit_cents


# Users


def test_the_page_lists_all_users_with_their_roles_and_limits(practice: GivenPractice, admin: Browser) -> None:
    practice.limit_of(practice.biller, claim=5_000)
    shown = admin.says("/users")
    assert "biller biller@lakeside.example biller $50.00 unlimited None Active" in shown
    assert "admin (you) admin@lakeside.example administrator unlimited unlimited None Active" in shown


def test_a_changed_role_applies_from_the_users_next_request(
    practice: GivenPractice, admin: Browser, biller: Browser
) -> None:
    admin.post(f"{page_of(practice)}/role", on=page_of(practice), role="ops")
    assert person(practice).role is Role.OPS
    assert "Role saved" in admin.read(page_of(practice))
    assert biller.get("/claims").status_code == 403


@pytest.mark.parametrize("role", ["", "Admin", "king"])
def test_an_unknown_role_changes_nothing(practice: GivenPractice, admin: Browser, role: str) -> None:
    assert admin.post(f"{page_of(practice)}/role", on=page_of(practice), role=role).status_code == 422
    assert person(practice).role is Role.BILLER


def test_a_limit_is_an_amount_or_unlimited(practice: GivenPractice, admin: Browser) -> None:
    admin.post(
        f"{page_of(practice)}/limits", on=page_of(practice), claim_limit_cents="$1,250", job_limit_cents="Unlimited"
    )
    assert (person(practice).claim_limit_cents, person(practice).job_limit_cents) == (125_000, UNLIMITED)
    page = admin.read(page_of(practice))
    assert 'value="$1,250.00"' in page
    assert "Existing previews keep their old limits" in page


def test_an_empty_limit_is_an_error_at_its_field_and_keeps_what_was_typed(
    practice: GivenPractice, admin: Browser
) -> None:
    answer = admin.post(
        f"{page_of(practice)}/limits", on=page_of(practice), claim_limit_cents="", job_limit_cents="12.345"
    )
    assert answer.status_code == 422
    assert answer.text.count("Enter an amount in dollars and cents, such as 1234.56, or “unlimited”.") == 2
    assert 'value="12.345"' in answer.text
    assert 'aria-invalid="true"' in answer.text
    assert person(practice).claim_limit_cents == UNLIMITED


def test_administrators_cannot_change_themselves_and_the_page_explains_why(
    practice: GivenPractice, admin: Browser
) -> None:
    assert admin.actor
    own = f"/users/{admin.actor.user_id}"
    assert "You can’t change your own role or limits, or deactivate yourself." in admin.says(own)
    assert [form for form in admin.forms(own) if form.startswith(f"{own}/") and "limits" not in form and
            "role" not in form] == []  # fmt: skip
    assert "You are the only administrator. Add a second one on the Users page." in admin.says(own)
    practice.person("second@lakeside.example", Role.ADMIN)
    assert "Ask another administrator." in admin.says(own)
    for act, fields in (
        ("role", {"role": "biller"}),
        ("limits", {"claim_limit_cents": "unlimited", "job_limit_cents": "unlimited"}),
        ("deactivate", {}),
    ):
        assert admin.post(f"{own}/{act}", on=own, **fields).status_code == 303
        shown = admin.says(own)
        assert shown.count("You can’t change your own role or limits, or deactivate yourself.") == 2, act
    with practice.sessions() as session:
        me = session.get_one(User, admin.actor.user_id)
        assert (me.role, me.active) == (Role.ADMIN, True)


def test_a_deactivated_user_is_signed_out_at_once_and_can_be_reactivated(
    practice: GivenPractice, admin: Browser, biller: Browser, browser_of: Callable[[Actor], Browser]
) -> None:
    assert biller.get("/claims").status_code == 200
    assert "Signed-in browsers 1" in admin.says(page_of(practice))
    admin.post(f"{page_of(practice)}/sessions/end", on=page_of(practice))
    assert "User signed out of all browsers. " in admin.says(page_of(practice))
    assert biller.get("/claims").status_code == 302

    admin.post(f"{page_of(practice)}/deactivate", on=page_of(practice))

    assert biller.get("/claims").status_code == 302, "redirected to sign in"
    assert "Deactivated" in admin.says("/users")
    admin.post(f"{page_of(practice)}/reactivate", on=page_of(practice))
    assert person(practice).active
    assert biller.get("/claims").status_code == 302, "the old session stays ended"

    assert "admin reactivated this account on 11/23/2026" in admin.says(page_of(practice))
    admin.post(f"{page_of(practice)}/vouch", on=page_of(practice))
    assert "You or a user who controls your account added or changed this account" in admin.says(page_of(practice))
    independent = browser_of(practice.person("owner@lakeside.example", Role.ADMIN))
    independent.post(f"{page_of(practice)}/vouch", on=page_of(practice))
    shown = independent.says(page_of(practice))
    assert ("You vouched for this account." in shown, "reactivated this account" in shown) == (True, False)


def link_on(answer: TestResponse) -> str:
    """Return the path of the link that the page shows."""
    found = re.search(r'value="http://localhost(/set-password/[^"]+)"', answer.text)
    assert found, answer.text
    return found[1]


def test_a_new_user_sets_a_password_through_a_link_that_is_shown_once(
    practice: GivenPractice, admin: Browser, stranger: Browser
) -> None:
    answer = admin.post(
        "/users", on="/users", name="Ruth Baker", email="Ruth@lakeside.example", role="approver", **LIMITS
    )
    assert answer.status_code == 201
    assert "It works once and expires on 11/26/2026 10:00:00 AM" in page_text(answer)
    assert link_on(answer) not in admin.read("/users")

    page = stranger.get(link_on(answer))

    assert 'value="ruth@lakeside.example"' in page.text
    assert (page.headers["Referrer-Policy"], page.headers["Cache-Control"]) == ("no-referrer", "no-store")
    differ = stranger.client.post(link_on(answer), data={"new_password": NEW, "repeated": f"{NEW}s"})
    assert (differ.status_code, "The two passwords differ." in differ.text) == (422, True)
    saved = stranger.client.post(link_on(answer), data={"new_password": NEW, "repeated": NEW})
    assert (saved.location, saved.headers["Referrer-Policy"]) == ("/sign-in", "no-referrer")
    sign_in = stranger.get("/sign-in")
    assert "Your password is saved. Sign in with it." in page_text(sign_in)
    assert 'value="ruth@lakeside.example"' in sign_in.text
    assert "ruth@lakeside.example" not in stranger.read("/sign-in")
    assert stranger.get(link_on(answer)).status_code == 410
    with transaction(practice.sessions) as session:
        ruth = users.sign_in(session, email="ruth@lakeside.example", password=NEW, now=NOW)
        stored = session.get_one(User, ruth.user_id)
        assert (stored.claim_limit_cents, stored.job_limit_cents) == (25_000, UNLIMITED)
    assert (ruth.name, ruth.role, ruth.practice_id) == ("Ruth Baker", Role.APPROVER, practice.id)


def test_an_administrator_makes_a_link_for_a_forgotten_password(practice: GivenPractice, admin: Browser) -> None:
    answer = admin.post(f"{page_of(practice)}/password-link", on=page_of(practice))

    assert (answer.status_code, link_on(answer)[:14]) == (200, "/set-password/")
    assert "Earlier links no longer work." in page_text(answer)
    assert practice.audited()[-1].act == "user.password_link"
    assert admin.actor
    own = admin.post(f"/users/{admin.actor.user_id}/password-link", on=page_of(practice))
    assert own.location == "/account"
    admin.post(f"{page_of(practice)}/deactivate", on=page_of(practice))
    refused = admin.post(f"{page_of(practice)}/password-link", on=page_of(practice))
    assert (refused.status_code, "Reactivate the user first." in refused.text) == (409, True)


@pytest.mark.parametrize(
    ("fields", "field_id", "status"),
    [
        ({"name": "", "email": "a@b.example", "role": "biller"}, "name-fault", 422),
        ({"name": "A", "email": "not an address", "role": "biller"}, "email-fault", 422),
        ({"name": "A", "email": "biller@lakeside.example", "role": "biller"}, "email-fault", 409),
        ({"name": "A", "email": "a@b.example", "role": ""}, "role-fault", 422),
        ({"email": "a@b.example", "claim_limit_cents": ""}, "claim_limit_cents-fault", 422),
        ({"email": "a@b.example", "job_limit_cents": "none"}, "job_limit_cents-fault", 422),
    ],
)
def test_an_error_in_a_new_user_is_shown_at_its_field(
    admin: Browser, fields: dict[str, str], field_id: str, status: int
) -> None:
    answer = admin.post("/users", on="/users", **{"name": "A", "role": "biller", **LIMITS, **fields})
    assert answer.status_code == status
    assert f'id="{field_id}"' in answer.text
    assert f'value="{fields["email"]}"' in answer.text


# The practice's limits on the Settings page


def test_an_administrator_sets_the_approval_limits(practice: GivenPractice, admin: Browser) -> None:
    assert "Now: unlimited per claim, unlimited per job." in admin.says("/settings")
    answer = admin.post("/settings/write-off-limits", claim_limit_cents="250", job_limit_cents="unlimited")
    assert answer.location == "/settings#limits"
    assert limits_of(practice) == (25_000, UNLIMITED)
    shown = admin.says("/settings")
    assert "Now: $250.00 per claim, unlimited per job. A raised limit applies after 24 hours." in shown


def test_an_empty_approval_limit_is_refused(practice: GivenPractice, admin: Browser) -> None:
    answer = admin.post("/settings/write-off-limits", claim_limit_cents="250", job_limit_cents="")
    assert answer.status_code == 422
    assert 'id="job_limit_cents-fault"' in answer.text
    assert "Enter an amount in dollars and cents, such as 1234.56, or “unlimited”." in answer.text
    assert 'value="250"' in answer.text
    assert limits_of(practice) == (UNLIMITED, UNLIMITED)
