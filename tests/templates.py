"""The pages' templates, compiled once for a test process: each test has an application of its own."""

from typing import Final

from flask import Flask
from jinja2 import BytecodeCache
from jinja2.bccache import Bucket


class _Compiled(BytecodeCache):
    """Compiled templates in memory, by the template's name and a digest of its source."""

    def __init__(self) -> None:
        self._codes: dict[str, bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        code = self._codes.get(f"{bucket.key}{bucket.checksum}")
        if code is not None:
            bucket.bytecode_from_string(code)

    def dump_bytecode(self, bucket: Bucket) -> None:
        self._codes[f"{bucket.key}{bucket.checksum}"] = bucket.bytecode_to_string()


_COMPILED: Final = _Compiled()


def compile_once(app: Flask) -> None:
    """Let the application take templates that another test's has compiled already."""
    app.jinja_env.bytecode_cache = _COMPILED
