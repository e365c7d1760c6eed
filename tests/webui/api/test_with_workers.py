"""The main job by API with real workers, and with a broker that does not answer."""

import time
from dataclasses import replace
from pathlib import Path

import pytest

from tests.waiting import eventually
from tests.webui.api.conftest import CLAIMS, Api, World
from webui.shared.hints import Hints


def send_hints_to(world: World, broker_url: str) -> None:
    """Make the application send hints to this broker, as it does in production."""
    world.app.extensions["settle"] = replace(world.app.extensions["settle"], hints=Hints(broker_url))


@pytest.mark.usefixtures("worker")
def test_a_confirmed_job_is_settled_by_workers_that_get_its_hints(world: World, biller: Api, broker_url: str) -> None:
    send_hints_to(world, broker_url)
    job_id = biller.previewed()
    biller.confirm(job_id)

    eventually(lambda: biller.get(f"/settle-jobs/{job_id}").json["finished_at"], seconds=60)

    progress = biller.get(f"/settle-jobs/{job_id}/progress").json
    assert (progress["status"], progress["failed"], progress["remaining"]) == ("completed", 0, 0)
    assert progress["settled"] + progress["skipped"] == CLAIMS


@pytest.mark.parametrize("broker", ["mute", "gone"])
def test_confirming_is_answered_at_once_even_if_the_broker_is_silent_or_gone(
    world: World, biller: Api, mute_broker: str, tmp_path: Path, broker: str
) -> None:
    send_hints_to(world, mute_broker if broker == "mute" else f"redis+socket://{tmp_path}/gone?virtual_host=0")
    jobs = [biller.previewed() for _ in range(3)]

    before = time.monotonic()
    statuses = [biller.confirm(job_id).status_code for job_id in jobs]

    assert statuses == [202, 202, 202]
    assert time.monotonic() - before < 3  # one second for each job
    assert {biller.get(f"/settle-jobs/{job_id}").json["status"] for job_id in jobs} == {"confirmed"}


def test_a_job_confirmed_without_a_broker_runs_once_workers_run(world: World, biller: Api, tmp_path: Path) -> None:
    send_hints_to(world, f"redis+socket://{tmp_path}/gone?virtual_host=0")
    job_id = biller.previewed()
    biller.confirm(job_id)

    world.work()

    assert biller.get(f"/settle-jobs/{job_id}").json["status"] == "completed"
