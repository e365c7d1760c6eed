"""Which addresses a webhook may have."""

import pytest

from core.notices.webhook_address import BadWebhookUrl, WebhookReach, check_address, check_url

PRIVATE = ["10.1.2.3", "172.16.0.1", "192.168.1.1", "fd00::1"]
LOOPBACK = ["127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1"]
NEVER = [
    "0.0.0.0",  # noqa: S104 – nothing binds it
    "169.254.169.254", "fe80::1", "fe80::1%eth0", "fec0::1", "::", "224.0.0.1", "ff02::1", "255.255.255.255",
    "100.64.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "::ffff:169.254.169.254",
]  # fmt: skip
PUBLIC = ["93.184.216.34", "2606:2800:220:1:248:1893:25c8:1946"]


def is_allowed(address: str, reach: WebhookReach) -> bool:
    try:
        check_address(address, reach=reach)
    except BadWebhookUrl:
        return False
    return True


@pytest.mark.parametrize(
    ("reach", "allowed"),
    [("public", PUBLIC), ("loopback", [*PUBLIC, *LOOPBACK]), ("private", [*PUBLIC, *LOOPBACK, *PRIVATE])],
)
def test_each_reach_allows_its_addresses_and_no_others(reach: WebhookReach, allowed: list[str]) -> None:
    assert [one for one in (*PUBLIC, *LOOPBACK, *PRIVATE, *NEVER) if is_allowed(one, reach)] == allowed


@pytest.mark.parametrize(
    "url",
    [
        "http://pm.example/hook", "ftp://pm.example/", "https://", "pm.example/hook", "https://user:pass@pm.example/",
        "https://pm.example/#part", "https://pm.example:99999/", "https://pm.example/a b", "https://127.0.0.1/",
        "https://[::1]/", "https://localhost/", "http://localhost/", "https://10.0.0.1/", "https://169.254.169.254/",
        "https://pm.example/\n", "https://pm.example/" + "a" * 500, "",
    ],
)  # fmt: skip
def test_a_bad_url_is_refused_when_it_is_saved(url: str) -> None:
    if url == "https://pm.example/\n":
        assert check_url(url, reach="public") == "https://pm.example/"  # pasted with its line end
        return
    with pytest.raises(BadWebhookUrl):
        check_url(url, reach="public")


def test_http_is_allowed_only_to_this_machine() -> None:
    assert check_url("http://127.0.0.1:9/hook", reach="loopback") == "http://127.0.0.1:9/hook"
    assert check_url("http://localhost:9/hook", reach="private") == "http://localhost:9/hook"
    with pytest.raises(BadWebhookUrl):
        check_url("http://10.0.0.1/hook", reach="private")
