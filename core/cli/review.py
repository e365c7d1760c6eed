"""`settle review`: what the owner of the practice should look at each week."""

from itertools import groupby
from typing import Any

import click

from core.cli import formats, options
from core.cli.client import Api
from core.cli.user_command import user_command


def _describe(answer: dict[str, Any]) -> str:
    week = f"{formats.day(answer['first_day'])} to {formats.day(answer['last_day'])}"
    if not answer["findings"]:
        return f"Weekly review of {week}: no findings."
    lines = [f"Weekly review of {week}"]
    for words, findings in groupby(answer["findings"], key=lambda one: one["words"]):
        lines += ["", f"{words}:", *map(_line, findings)]
    return "\n".join(lines)


def _line(one: dict[str, Any]) -> str:
    jobs = [f"job {job}" for job in one["jobs"]]
    about = "; ".join(filter(None, [", ".join(one["people"]), ", ".join(jobs), ", ".join(one["claims"])]))
    return f"  {formats.moment(one['at'])}  {one['sentence']}" + (f" [{about}]" if about else "")


@user_command(_describe, name="review")
@click.option("--week", type=options.DAY, metavar="YYYY-MM-DD", help="Any day of the week.  [default: last week]")
def show_review(api: Api, week: Any) -> Any:
    """Show what a careful auditor would look at in a week, such as limits that were raised near a write-off.

    The time of a finding is that of its latest event: of a change near a write-off, the later of the two.
    """
    return api.get("/review", week=week)


COMMANDS = [show_review]
