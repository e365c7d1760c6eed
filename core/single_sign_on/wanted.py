"""The settings of single sign-on as a user wants them, and whether they fit together."""

import re
from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

from core.enums.people import Role
from core.errors import BadInput
from core.notices.webhook_address import BadWebhookUrl, WebhookReach, check_url

CHARACTERS_MAX: Final = 500
GROUPS_MAX: Final = 100
DOMAINS_MAX: Final = 50
_DOMAIN: Final = re.compile(r"(?=.{1,253}$)[a-z0-9-]{1,63}(\.[a-z0-9-]{1,63})+")


class BadSingleSignOn(BadInput):
    """Check the fields of single sign-on."""


class GroupToRole(NamedTuple):
    """A group of the identity provider, and the role of its members."""

    group: str
    role: Role


class Wanted(NamedTuple):
    """The settings as they shall be. `client_secret` None keeps the secret."""

    active: bool
    issuer: str
    client_id: str
    client_secret: str | None
    domains: Sequence[str]
    groups_claim: str
    groups: Sequence[GroupToRole]
    adds_users: bool
    asks_second_factor: bool
    password_sign_in: bool


def checked(wanted: Wanted, *, reach: WebhookReach) -> Wanted:
    """Return the settings as they are stored. Raise `BadSingleSignOn`, which names the field."""
    texts: dict[str, Any] = {
        name: _text(getattr(wanted, name), name) for name in ("issuer", "client_id", "groups_claim")
    }
    secret = wanted.client_secret
    if texts["issuer"]:
        try:
            check_url(texts["issuer"], reach=reach)
        except BadWebhookUrl as refusal:
            raise BadSingleSignOn(refusal.message, field="issuer") from None
    checked = wanted._replace(
        **texts, client_secret=None if secret is None else _text(secret, "client_secret"),
        domains=_checked_domains(wanted.domains), groups=_checked_groups(wanted.groups),
    )  # fmt: skip
    _check_whole(checked)
    return checked


def _check_whole(wanted: Wanted) -> None:
    if wanted.groups and not wanted.groups_claim:
        raise BadSingleSignOn('Enter the claim with the groups, such as "groups".', field="groups_claim")
    if wanted.adds_users and not wanted.groups:
        raise BadSingleSignOn("Enter the groups that give new users a role.", field="groups")
    if wanted.active:
        for name, words in (("issuer", "issuer"), ("client_id", "client ID")):
            if not getattr(wanted, name):
                raise BadSingleSignOn(f"Enter the {words} of your identity provider.", field=name)
        if not wanted.domains:
            raise BadSingleSignOn("Enter the domain of your e-mail addresses, such as example.org.", field="domains")
    elif not wanted.password_sign_in:
        raise BadSingleSignOn("Without single sign-on, users need passwords.", field="password_sign_in")


def _text(text: str, field: str) -> str:
    text = text.strip()
    if len(text) > CHARACTERS_MAX or not text.isprintable():
        raise BadSingleSignOn(f"Enter at most {CHARACTERS_MAX} characters on one line.", field=field)
    return text


def _checked_domains(domains: Iterable[str]) -> list[str]:
    found = sorted({domain.strip().removeprefix("@").lower() for domain in domains} - {""})
    for domain in found:
        if not _DOMAIN.fullmatch(domain):
            raise BadSingleSignOn(f'"{domain[:80]}" is not a domain such as example.org.', field="domains")
    if len(found) > DOMAINS_MAX:
        raise BadSingleSignOn(f"Enter at most {DOMAINS_MAX} domains.", field="domains")
    return found


def _checked_groups(groups: Iterable[GroupToRole]) -> list[GroupToRole]:
    found = [GroupToRole(_text(one.group, "groups"), one.role) for one in groups]
    names = [one.group for one in found]
    if "" in names:
        raise BadSingleSignOn("Enter the name or ID of each group.", field="groups")
    if len(set(names)) < len(names):
        raise BadSingleSignOn("Enter each group once.", field="groups")
    if len(found) > GROUPS_MAX:
        raise BadSingleSignOn(f"Enter at most {GROUPS_MAX} groups.", field="groups")
    return found
