"""The main job by API with real workers, and with a broker that does not answer."""

import time
from dataclasses import replace
from pathlib import Path

import pytest

from tests.waiting import eventually
from tests.webui.api.conftest import CLAIMS, Api, World
from webui.shared.hints import Hints


def hint_at(world: World, broker_url: str) -> None:
    """Let the application hint at this broker, as it does in earnest."""
    world.app.extensions["settle"] = replace(world.app.extensions["settle"], hints=Hints(broker_url))


@pytest.mark.usefixtures("worker")
def test_a_confirmed_job_is_settled_by_the_workers_that_its_hints_reach(
    world: World, biller: Api, broker_url: str
) -> None:
    hint_at(world, broker_url)
    job_id = biller.previewed()
    biller.confirm(job_id)

    eventually(lambda: biller.get(f"/settle-jobs/{job_id}").json["finished_at"], seconds=60)

    progress = biller.get(f"/settle-jobs/{job_id}/progress").json
    assert (progress["status"], progress["failed"], progress["remaining"]) == ("completed", 0, 0)
    assert progress["settled"] + progress["skipped"] == CLAIMS


@pytest.mark.parametrize("broker", ["mute", "gone"])
def test_confirming_is_answered_at_once_whatever_the_broker_does(
    world: World, biller: Api, mute_broker: str, tmp_path: Path, broker: str
) -> None:
    hint_at(world, mute_broker if broker == "mute" else f"redis+socket://{tmp_path}/gone?virtual_host=0")
    jobs = [biller.previewed() for _ in range(3)]

    before = time.monotonic()
    statuses = [biller.confirm(job_id).status_code for job_id in jobs]

    assert statuses == [202, 202, 202]
    assert time.monotonic() - before < 3  # one second each
    assert {biller.get(f"/settle-jobs/{job_id}").json["status"] for job_id in jobs} == {"confirmed"}


def test_a_job_confirmed_without_a_broker_runs_when_workers_are_there(
    world: World, biller: Api, tmp_path: Path
) -> None:
    hint_at(world, f"redis+socket://{tmp_path}/gone?virtual_host=0")
    job_id = biller.previewed()
    biller.confirm(job_id)

    world.work()

    assert biller.get(f"/settle-jobs/{job_id}").json["status"] == "completed"
