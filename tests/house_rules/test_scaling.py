"""What docs/scaling.md says of a thousand practices is what the play says."""

from pathlib import Path

from tests.benchmarks.scaling import CALM_SECONDS, CHUNKS_PER_WORKER, table

SCALING = (Path(__file__).parents[2] / "docs" / "scaling.md").read_text()


def test_the_table_of_a_thousand_practices_is_what_the_play_prints() -> None:
    assert "\n".join(table()) in SCALING


def test_the_rule_that_is_written_is_the_rule_that_is_played() -> None:
    assert f"for each {CHUNKS_PER_WORKER} open chunks" in SCALING
    assert f'threshold: "{CHUNKS_PER_WORKER}"' in SCALING
    assert f"stabilizationWindowSeconds: {CALM_SECONDS}" in SCALING
