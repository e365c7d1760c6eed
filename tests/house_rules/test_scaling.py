"""The table of docs/scaling.md equals the output of the simulation."""

from pathlib import Path

from tests.benchmarks.scaling import CALM_SECONDS, CHUNKS_PER_WORKER, table

SCALING = (Path(__file__).parents[2] / "docs" / "scaling.md").read_text()


def test_the_table_of_a_thousand_practices_matches_the_simulation() -> None:
    assert "\n".join(table()) in SCALING


def test_the_documented_scaling_rule_is_the_simulated_one() -> None:
    assert f"for each {CHUNKS_PER_WORKER} open chunks" in SCALING
    assert f'threshold: "{CHUNKS_PER_WORKER}"' in SCALING
    assert f"stabilizationWindowSeconds: {CALM_SECONDS}" in SCALING
