"""Open pages that ask every few seconds for the part of them that moves, without the page around it."""

from typing import Final

from flask import request

HEADER: Final = "X-Live"
ENDPOINTS: Final = frozenset({"jobs.index", "jobs.show", "operations.show", "schedule_runs.show"})


def part_is_asked() -> bool:
    """Whether this request asks for the part alone."""
    return request.method == "GET" and request.endpoint in ENDPOINTS and HEADER in request.headers
