"""Links from the Operations page to a job's hints in Flower."""

from core.settings import Settings
from webui.operations import flower_links


def test_the_link_to_a_jobs_hints_is_local_or_configured_or_none(app: object) -> None:
    settings: Settings = app.extensions["settle"].settings  # type: ignore[attr-defined]
    search = "/tasks?name=settle.work%20args%3A%22%281%2C%207%29%22"

    def link(**values: str) -> str | None:
        return flower_links.job_hints_url(settings.model_copy(update=values), 1, 7)

    assert link() == f"http://127.0.0.1:5555{search}"
    assert link(web_host="settle.example") is None
    assert link(web_host="settle.example", flower_url="https://flower.example/") == f"https://flower.example{search}"
