"""Sign in through a real OpenID provider, and what is refused."""

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from sqlalchemy import select

from core.access.permissions import Actor
from core.models.single_sign_on import SignInRequest
from core.single_sign_on import discovery, web_client
from tests.factories import GivenPractice
from tests.identity_provider import CLIENT, IdentityProvider
from tests.webui.account.conftest import HERE, RUTH, acts, departure, leave, sign_in
from tests.webui.conftest import Browser, Clock, page_text


def test_a_first_sign_in_ties_the_account_and_opens_the_page(
    save: Callable[..., None], practice: GivenPractice, ruth: Actor, provider: IdentityProvider, stranger: Browser
) -> None:
    assert "Single sign-on" in stranger.says("/sign-in")
    asked = parse_qs(urlsplit(departure(stranger.post(HERE, on="/sign-in", email=ruth.email))).query)
    assert asked["code_challenge_method"] == ["S256"]
    assert {"state", "nonce", "code_challenge", "login_hint"} <= set(asked)

    # the e-mail address is only at the userinfo endpoint, as with Okta
    answer = sign_in(stranger, provider, claims={}, page="/jobs?status=running")
    assert answer.location == "/jobs?status=running"
    assert "Ruth" in stranger.says("/jobs")
    [linked] = acts(practice, "user.identity_linked")
    assert (linked["identity_provider"], linked["granted_by"]) == (True, None)
    assert len(linked["identity_sha256"]) == 64

    stranger.post("/sign-out", on="/jobs")
    moved = {**RUTH, "email": "ruth@elsewhere.example", "email_verified": False}
    elsewhere = sign_in(stranger, provider, moved, page="//evil.example/jobs")
    assert elsewhere.location == "/", "the subject is the identity, and no other host gets the browser"

    other = stranger.client.application.test_client()
    reused = sign_in(Browser(other), provider, {**RUTH, "sub": "a-new-ruth"})
    assert "belongs to a different user of the identity provider" in page_text(reused)


def test_what_is_wrong_is_refused_with_its_cause(
    save: Callable[..., None], practice: GivenPractice, ruth: Actor, provider: IdentityProvider, stranger: Browser,
    clock: Clock,
) -> None:  # fmt: skip
    seconds = int(clock().timestamp())
    cases: dict[str, tuple[dict[str, Any], str]] = {
        "wrong issuer": ({"id_token": {"iss": "https://evil.example"}}, "It names a different issuer."),
        "wrong audience": ({"id_token": {"aud": ["another"]}}, "It is for a different application."),
        "two audiences": ({"id_token": {"aud": ["another", CLIENT]}}, "It is for a different application."),
        "wrong nonce": ({"id_token": {"nonce": "another"}}, "It belongs to a different sign-in."),
        "no nonce": ({"id_token": {"nonce": None}}, "It belongs to a different sign-in."),
        "expired": ({"id_token": {"exp": seconds - 90}}, "It has expired."),
        "unsigned": ({"alg": "none"}, "Its signature is not valid."),
        "public key as a secret": ({"alg": "HS256"}, "Its signature is not valid."),
        "unverified e-mail": (
            {"claims": {**RUTH, "email_verified": False}},
            "does not say that your e-mail",
        ),
        "no e-mail": ({"user": {"sub": "ruth-1"}, "claims": {}}, "sends no e-mail address"),
        "another domain": ({"claims": {**RUTH, "email": "ruth@evil.example"}}, "not in a domain of this practice"),
        "no account": ({"claims": {**RUTH, "email": "new@lakeside.example"}}, "There is no account"),
        "denied": ({"error": "access_denied"}, "did not sign you in (access_denied)"),
        "error with markup": ({"error": "<b>x"}, "did not sign you in. Try again"),
    }
    for name, (control, words) in cases.items():
        control["claims"] = {key: value for key, value in control.get("claims", RUTH).items() if key != "sub"}
        answer = sign_in(stranger, provider, control.pop("user", RUTH), **control)
        assert words in page_text(answer), name
        assert answer.status_code == 401, name
    assert stranger.get("/jobs").status_code == 302, "not signed in"
    refused = acts(practice, "single_sign_on.refused")
    assert len(refused) == len(cases)
    assert all(one["address"] == "127.0.0.1" for one in refused)


def test_the_clocks_may_differ_by_a_minute(
    save: Callable[..., None], ruth: Actor, provider: IdentityProvider, stranger: Browser, clock: Clock
) -> None:
    for seconds, words in ((-50, None), (-600, "10 minutes behind"), (50, None), (900, "15 minutes ahead of")):
        back = leave(stranger, provider)
        clock.turn_on(seconds=seconds)
        answer = stranger.get(back) if abs(seconds) < 600 else None
        clock.turn_on(seconds=-seconds)
        if answer is not None:
            assert answer.location == "/jobs"
            stranger.post("/sign-out", on="/jobs")
            continue
        # the sign-in itself takes no ten minutes, so the token's time is moved
        issued = int(clock().timestamp()) - seconds
        answer = sign_in(stranger, provider, id_token={"iat": issued, "exp": issued + 3_600})
        assert words in page_text(answer)


def test_an_answer_works_once_in_its_own_browser_and_for_ten_minutes(
    save: Callable[..., None], practice: GivenPractice, ruth: Actor, provider: IdentityProvider, stranger: Browser,
    clock: Clock,
) -> None:  # fmt: skip
    back = leave(stranger, provider)
    elsewhere = Browser(stranger.client.application.test_client())
    assert "began in another browser" in page_text(elsewhere.get(back))
    with stranger.client.session_transaction() as cookie:
        kept = dict(cookie)
    assert stranger.get(back).location == "/jobs"
    stranger.post("/sign-out", on="/jobs")
    with stranger.client.session_transaction() as cookie:
        cookie.update(kept)  # the browser's cookie is restored, but the state was used
    assert "was already used" in page_text(stranger.get(back))

    late = leave(stranger, provider)
    clock.turn_on(minutes=10)
    assert "took over 10 minutes" in page_text(stranger.get(late))
    leave(stranger, provider)
    with practice.sessions() as session:
        assert len(session.scalars(select(SignInRequest)).all()) == 1, "old ones are deleted"


def test_a_new_key_is_found_and_an_unpublished_one_is_not(
    save: Callable[..., None], ruth: Actor, provider: IdentityProvider, stranger: Browser
) -> None:
    header = "client_secret_basic"  # with a secret that must be encoded in it
    discovery._kept.clear()
    basic = {"method": header, "discovery": {"token_endpoint_auth_methods_supported": [header]}}
    assert sign_in(stranger, provider, **basic).location == "/jobs"
    stranger.post("/sign-out", on="/jobs")
    discovery._kept.pop(f"{provider.issuer}{discovery.WELL_KNOWN}")
    assert sign_in(stranger, provider, new_key=True).location == "/jobs"
    stranger.post("/sign-out", on="/jobs")
    assert "does not publish" in page_text(sign_in(stranger, provider, unpublished_key=True))


def test_a_provider_that_is_down_or_wrong_says_so(
    save: Callable[..., None],
    ruth: Actor,
    provider: IdentityProvider,
    stranger: Browser,
    monkeypatch: pytest.MonkeyPatch,
) -> None:

    provider.set(discovery={"issuer": "https://evil.example"})
    discovery._kept.clear()
    answer = stranger.post(HERE, on="/sign-in")
    assert 'calls itself "https://evil.example"' in page_text(answer)
    assert answer.status_code == 502
    provider.set(status=503)
    discovery._kept.clear()
    assert "has a fault (HTTP 503)" in page_text(stranger.post(HERE, on="/sign-in"))

    assert "has a fault (HTTP 503)" in page_text(stranger.post(HERE, on="/sign-in")), "not asked again at once"
    provider.set()
    discovery._kept.clear()
    back = leave(stranger, provider, hangs=30)
    monkeypatch.setattr(web_client, "SECONDS", 1)
    assert "does not answer in time" in page_text(stranger.get(back))
    monkeypatch.undo()
    save(issuer="http://127.0.0.1:1")
    assert "The connection to it fails" in page_text(stranger.post(HERE, on="/sign-in"))
