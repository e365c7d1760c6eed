"""Add the vendored scripts of a README to a CycloneDX list, and check the list against the schema."""

import json
import re
import sys
from pathlib import Path
from typing import Any

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

_ROW = re.compile(r"^\| (\S+) \| (\S+), `[^`]+` \| (\S+) \| (\S+) \| ([0-9a-f]{64}) \|$", re.MULTILINE)


def _component(file: str, name: str, version: str, license_id: str, sha256: str) -> dict[str, Any]:
    return {
        "type": "file",
        "bom-ref": file,
        "name": file,
        "version": version,
        "purl": f"pkg:npm/{name}@{version}",
        "licenses": [{"license": {"id": license_id}}],
        "hashes": [{"alg": "SHA-256", "content": sha256}],
    }


def main() -> None:
    """Read the list from standard input and write it to standard output."""
    found = json.load(sys.stdin)
    vendored = [_component(*row) for row in _ROW.findall(Path(sys.argv[1]).read_text("utf-8"))]
    found["components"] += vendored
    text = json.dumps(found, indent=1)
    if not vendored or (fault := JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)):
        sys.exit(f"The list is not valid CycloneDX: {fault if vendored else 'no vendored file'}")
    sys.stdout.write(text + "\n")


if __name__ == "__main__":
    main()
