"""Messages that are no hints, and Celery's commands that Flower does not need."""

import base64
import json
from typing import Any

from core.settings import TASK_WORK

BODY = base64.b64encode(json.dumps([[], {}, {}]).encode()).decode()
INFO = {"exchange": "", "routing_key": "settle"}
PROPERTIES = {"body_encoding": "base64", "delivery_tag": "1", "delivery_info": INFO, "priority": 0}
HEADERS = {"task": TASK_WORK, "id": "1", "lang": "py", "argsrepr": "", "kwargsrepr": ""}
COMMANDS = [
    "shutdown", "pool_grow", "pool_shrink", "pool_restart", "autoscale", "rate_limit", "time_limit", "revoke",
    "terminate", "revoke_by_stamped_headers", "add_consumer", "cancel_consumer", "disable_events", "enable_events",
    "election", "report", "query_task", "memdump", "memsample", "objgraph", "hello", "clock",
]  # fmt: skip


def envelope(*, body: str = BODY, properties: Any = PROPERTIES, headers: Any = HEADERS, **more: Any) -> str:
    whole = {"body": body, "content-encoding": "utf-8", "content-type": "application/json"}
    return json.dumps({**whole, "headers": headers, "properties": properties, **more})


BAD = {
    "no JSON": "hello",
    "no text": b"\xff\xfe\x00",
    "nothing": "",
    "deep": "[" * 100_000,
    "a number": "7",
    "a list": "[1, 2]",
    "null": "null",
    "without properties": envelope(properties=None),
    "with empty properties": envelope(properties={}),
    "with properties of another type": envelope(properties="x"),
    "a body that is not base64": envelope(body="\u00e9"),
    "headers of another type": envelope(headers="x"),
    "no headers": envelope(headers=None),
    "a task that is a list": envelope(headers={**HEADERS, "task": [1]}),
    "an unknown task": envelope(headers={**HEADERS, "task": "os.system"}),
    "no id": envelope(headers={"task": TASK_WORK}),
    "expires that is no time": envelope(headers={**HEADERS, "expires": "soon"}),
    "expires that is a list": envelope(headers={**HEADERS, "expires": [1]}),
    "eta that is a number": envelope(headers={**HEADERS, "eta": 7}),
    "time limits that are text": envelope(headers={**HEADERS, "timelimit": "x"}),
    "another content type": envelope(**{"content-type": "application/x-python-serialize"}),
    "another encoding": envelope(**{"content-encoding": "klingon"}),
    "a body that is not JSON": envelope(body=base64.b64encode(b"x").decode()),
    "arguments of another type": envelope(body=base64.b64encode(b'["a", "b", "c"]').decode()),
    "retries that are text": envelope(headers={**HEADERS, "retries": "x"}),
    "an old message": envelope(headers={}, body=base64.b64encode(b'{"task": ["settle.work"]}').decode()),
    "half a megabyte": json.dumps("x" * 500_000),
}
