"""Mappings by API: guessed from a file, corrected, saved, listed, deleted."""

import base64
import errno
from pathlib import Path
from typing import Any

import pytest

from core.enums.people import Role
from tests.core.intake.mapping.conftest import HEADER, MAPPING, ROWS
from tests.webui.api.conftest import Api, World


def head(*rows: str, header: str = HEADER) -> dict[str, str]:
    text = "\n".join([header, *rows])
    return {"name": "ar.csv", "content": base64.b64encode(text.encode()).decode()}


def test_a_mapping_is_guessed_saved_replaced_and_deleted(world: World, biller: Api) -> None:
    guess = biller.post("/mappings/guess", json=head(*ROWS)).json

    assert (guess["questions"], guess["header_row"], guess["mapping"]) == ([], 1, MAPPING.as_json())
    assert {"header": "Ins Bal", "field": "insurance_balance", "label": "Insurance balance", "example": "100.00"} in (
        guess["columns"]
    )
    assert "Example Ann" not in str(guess)
    saved = biller.post("/mappings", json={"name": " our  export ", "mapping": guess["mapping"]})
    assert (saved.status_code, saved.json["name"], saved.json["mapping"]) == (201, "our export", guess["mapping"])
    again = biller.post("/mappings", json={"name": "our export", "mapping": guess["mapping"]})
    assert again.json == saved.json
    other = {"name": "our export", "mapping": guess["mapping"] | {"rows": "line"}}
    assert biller.post("/mappings", json=other).json["code"] == "mapping_name_taken"
    assert biller.post("/mappings", json=other | {"replace": True}).json["id"] == saved.json["id"]
    assert biller.get(f"/mappings/{saved.json['id']}").json["mapping"]["rows"] == "line"
    assert [one["name"] for one in biller.get("/mappings").json["mappings"]] == ["our export"]
    assert biller.send("DELETE", f"/mappings/{saved.json['id']}").status_code == 204
    assert biller.get("/mappings").json["mappings"] == []
    acts = [row["sentence"] for row in world.api(Role.ADMIN).get("/audit").json["acts"]]
    assert [one for one in acts if "mapping" in one] == [
        f"Deleted the import mapping {saved.json['id']}",
        *[f"Saved the import mapping {saved.json['id']}"] * 2,
    ]


def test_a_full_disk_of_the_server_is_a_refusal(biller: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", refuse)

    full = biller.post("/mappings/guess", json=head(*ROWS))

    assert (full.status_code, full.json["code"]) == (507, "server_disk_full")


@pytest.mark.parametrize(("path", "body", "code"), [
    ("/mappings", {"name": "", "mapping": MAPPING.as_json()}, "bad_mapping_name"),
    ("/mappings", {"name": "x", "mapping": {}}, "bad_mapping"),
    ("/mappings", {"name": "x", "mapping": {"columns": {"A": "nonsense"}}}, "bad_mapping"),
    ("/mappings", {"name": "x", "mapping": MAPPING.as_json() | {"more": 1}}, "bad_mapping"),
    ("/mappings/guess", {"name": "x", "content": "%"}, "bad_content"),
    ("/mappings/guess", {"name": "x", "content": ""}, "unreadable_file"),
    ("/mappings/guess", head("a,b,c", header="1,2,3"), "no_header"),
])  # fmt: skip
def test_a_bad_mapping_is_refused_with_a_code(biller: Api, path: str, body: dict[str, Any], code: str) -> None:
    answer = biller.post(path, json=body)

    assert (answer.status_code, answer.json["code"]) == (422, code)


def test_a_question_has_a_code_and_a_sentence(biller: Api) -> None:
    guess = biller.post("/mappings/guess", json=head(ROWS[0].replace("03/14", "03/04"))).json

    assert [question["code"] for question in guess["questions"]] == ["ambiguous_date"]
    assert guess["questions"][0]["sentence"] == (
        'Date of service ("DOS") can be read as MM/DD/YYYY or DD/MM/YYYY, because no day is above 12. Choose the date '
        'format: "03/04/2026" is March 4, 2026, or April 3, 2026.'
    )
