"""Find out why the broker (Redis or Valkey) is unavailable. Core imports no client, so it reads the error's text."""

from typing import Final

from core.causes import Cause, find_cause

_URL: Final = "SETTLE_BROKER_URL"

NO_ANSWER: Final = Cause("no_answer", "The broker is not answering.", f"Check the server and {_URL}.")

TIMED_OUT: Final = Cause("silent", "The broker did not answer within a second.", f"Check the server and {_URL}.")
NOT_CONFIGURED: Final = Cause("none_set", "No broker is set.", f"Set {_URL}.")

CAUSES: Final = (
    Cause(
        "wrong_password",
        "The broker rejected the user name or the password.",
        f"Check the user in {_URL}, and SETTLE_BROKER_PASSWORD.",
        signs=("username-password pair", "wrongpass", "invalid password", "without any password configured"),
    ),
    Cause(
        "no_password",
        "The broker asks for a password, and none is set.",
        "Set SETTLE_BROKER_PASSWORD.",
        signs=("noauth", "authentication required", "already authenticated"),
    ),
    Cause(
        "not_permitted",
        "The broker's user lacks a permission.",
        'Compare its ACL with docs/operations.md, "The broker\'s users". On the server, ACL LOG shows what was denied.',
        signs=("no permissions", "noperm", "can't access at least one of the keys"),
    ),
    Cause(
        "full",
        "The broker's memory is full.",
        "Check what else writes to it; this product limits its own queues.",
        signs=("used memory > ", "oom command not allowed"),
    ),
    Cause(
        "read_only",
        "The broker does not accept writes.",
        f"Name the primary server in {_URL}, and check its disk.",
        signs=("read only replica", "readonly", "unable to persist", "misconf"),
    ),
    Cause(
        "too_many_connections",
        "The broker has no connections left.",
        "Raise maxclients, or close unneeded connections.",
        signs=("max number of clients",),
    ),
    Cause(
        "starting_up",
        "The broker is loading its data.",
        "Wait until it is ready.",
        signs=("loading the dataset", "is loading"),
    ),
    Cause(
        "wrong_host_name",
        "The broker's certificate is for a different host name.",
        f"Use the certificate's host name in {_URL}.",
        signs=("certificate is not valid for", "hostname mismatch", "ip address mismatch"),
    ),
    Cause(
        "untrusted_certificate",
        "The broker's certificate is not trusted, or has expired.",
        f"Check the certificate, and ssl_ca_certs in {_URL}.",
        signs=("certificate_verify_failed", "certificate verify failed"),
    ),
    Cause(
        "no_socket",
        "The broker has no socket at that path, or this user may not open it.",
        f"Check the path in {_URL}, and that the server is running.",
        signs=("error 2 connecting to /", "error 13 connecting to /"),
    ),
    Cause(
        "missing_ca",
        "The CA certificate file (ssl_ca_certs) is missing or cannot be read.",
        f"Check ssl_ca_certs in {_URL}.",
        signs=("error 2 connecting to", "error 13 connecting to", "ssl_ca_certs"),
    ),
    Cause(
        "tls_mismatch",
        "One side speaks TLS and the other does not.",
        f"Use rediss:// in {_URL} if the server speaks TLS, and redis:// if it does not.",
        signs=("[ssl", "ssl:"),
    ),
    Cause(
        "refused",
        "The broker's host refuses the connection.",
        f"Start the server, or check host and port in {_URL}.",
        signs=("connection refused",),
    ),
    Cause(
        "no_route",
        "There is no network route to the broker's host.",
        f"Check the network, and the host in {_URL}.",
        signs=("no route to host", "network is unreachable", "host is unreachable"),
    ),
    Cause(
        "unknown_host",
        "The name of the broker's host cannot be resolved.",
        f"Check the host in {_URL}, and the name server.",
        signs=("name or service not known", "temporary failure in name resolution", "no address associated"),
    ),
    Cause(
        "timeout",
        "The broker's host did not answer in time.",
        f"Check the network and {_URL}; a server without TLS does not answer rediss://.",
        signs=("timeout", "timed out"),
    ),
    Cause(
        "connection_lost",
        "The broker closed the connection.",
        f"Check the server's log. A server with TLS closes connections without it: use rediss:// in {_URL}.",
        signs=("closed by server", "connection reset", "error while reading", "broken pipe"),
    ),
    Cause(
        "not_a_broker",
        "The server at the broker's address is neither Redis nor Valkey.",
        f"Check host and port in {_URL}.",
        signs=("protocol error",),
    ),
    Cause(
        "bad_address",
        f"{_URL} is not a valid address.",
        "Check its port, its database number and its options.",
        signs=("port out of range", "port could not be cast", "db index is out of range", "invalid ssl"),
    ),
)


def diagnose(error: BaseException | str) -> Cause:
    """Return why the broker is unavailable. `error` is what its client or Celery raised or logged."""
    return find_cause(CAUSES, str(error)) or NO_ANSWER
