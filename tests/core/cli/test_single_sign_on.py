"""`settle single-sign-on` on the server: set, test, and turn passwords on again."""

import pytest

from core.db.engine import Sessions
from core.enums.people import Role
from core.settings import load_settings
from core.single_sign_on import settings
from core.single_sign_on.settings import NoSingleSignOn
from tests.core.cli.conftest import Typed
from tests.factories import a_practice
from tests.identity_provider import CLIENT, SECRET, running_identity_provider

HERE = ("--practice", "Lakeside")


def test_the_server_sets_and_tests_the_provider_and_turns_passwords_on(
    settle: Typed, sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    practice = a_practice(sessions)
    monkeypatch.setenv("SETTLE_WEBHOOK_REACH", "loopback")
    load_settings.cache_clear()
    assert settle("single-sign-on", "test", *HERE).stderr == f"{NoSingleSignOn().message}\n"

    groups = ("--groups-claim", "groups", "--group", "a=b=admin", "--add-users", "--domain", "lakeside.example")
    assert "as GROUP=ROLE" in settle("single-sign-on", "set", *HERE, "--group", "managers").stderr
    assert "is saved" in settle("single-sign-on", "set", *HERE, *groups).stdout
    with running_identity_provider() as provider:
        known = ("--issuer", provider.issuer, "--client-id", CLIENT, "--ask-secret", "--on")
        assert "is saved" in settle("single-sign-on", "set", *HERE, *known, input=f"{SECRET}\n").stdout
        tested = settle("single-sign-on", "test", *HERE)
        assert "publishes 1 key. It signs users out too." in tested.stdout, tested.stderr

    with practice.sessions.begin() as session:
        found = settings.overview(session, practice.id)
        assert found
        assert (found.settings.client_secret, found.settings.issuer_set_by) == (SECRET, None)
        assert [(one.group_name, one.role, one.set_by) for one in found.groups] == [("a=b", Role.ADMIN, None)]
        found.settings.password_sign_in = False
    assert "Passwords sign in to Lakeside." in settle("single-sign-on", "passwords-on", *HERE).stdout
    with practice.sessions() as session:
        assert settings.find_active(session, practice.id).password_sign_in
