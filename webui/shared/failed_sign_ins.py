"""Count failed sign-ins of an account and of an address, and refuse more after too many."""

import hashlib
from collections.abc import Callable
from http import HTTPStatus
from time import time
from typing import Final, ParamSpec, TypeVar

from flask import Response, g
from flask_limiter import Limiter, RequestLimit
from flask_limiter.util import get_remote_address

from core.counting import counted

# Only failures count. An office shares one address, so an address gets more tries than an account.
FAILURES_PER_ADDRESS: Final = "30 per 5 minutes"
FAILURES_PER_ACCOUNT: Final = "8 per 5 minutes"

P = ParamSpec("P")
R = TypeVar("R")

limiter = Limiter(get_remote_address, storage_uri="memory://", headers_enabled=True)


def _sign_in_failed(response: Response) -> bool:
    return response.status_code == HTTPStatus.UNAUTHORIZED or "verification_failed" in g


def limit_failed_sign_ins(typed_email: Callable[[], str]) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Refuse a view after too many failed sign-ins. The page and the API count together."""

    def account_key() -> str:
        # A hash, so that the counters contain no address.
        return hashlib.sha256(typed_email().strip().lower().encode("utf-8", "replace")).hexdigest()

    def wrap(view: Callable[P, R]) -> Callable[P, R]:
        for limit, scope, key in (
            (FAILURES_PER_ACCOUNT, "sign-in-account", account_key),
            (FAILURES_PER_ADDRESS, "sign-in-address", get_remote_address),
        ):
            view = limiter.shared_limit(
                limit, scope, key_func=key, deduct_when=_sign_in_failed, error_message=_too_many_sentence
            )(view)
        return view

    return wrap


def seconds_to_wait() -> int:
    """Return how long a caller who was refused must wait."""
    limit: RequestLimit | None = limiter.current_limit
    return max(1, int(limit.reset_at - time())) if limit else 300


def _too_many_sentence() -> str:
    minutes = -(-seconds_to_wait() // 60)
    return f"Too many failed sign-ins. Wait {counted(minutes, 'minute')} and try again."
