"""The memory of a read does not grow with the file, whether it has one long transaction or many."""

from pathlib import Path
from typing import Final

from tests.x12_files import PLAIN, interchange, large_remittances, whole_remittance
from tests.x12_memory import megabytes_to_read

GROWTH_MAX_MB: Final = 8


def test_long_files_and_long_transactions_need_no_more_memory_than_short_ones(tmp_path: Path) -> None:
    short, long, many = (tmp_path / name for name in ("short", "long", "many"))
    short.write_text(PLAIN.write(interchange([whole_remittance(1_000)])))
    long.write_text(PLAIN.write(interchange([whole_remittance(25_000)])))
    with many.open("wb") as file:
        file.writelines(large_remittances(9_000_000))

    small = megabytes_to_read(short)

    assert long.stat().st_size > 9_000_000
    assert megabytes_to_read(long) - small < GROWTH_MAX_MB
    assert megabytes_to_read(many) - small < GROWTH_MAX_MB
