"""The memory of reading an X12 file in a process of its own."""

import subprocess
import sys
from pathlib import Path
from typing import Final

# The peak of this program alone; the usual `ru_maxrss` starts with the memory of the process that started it.
_PROGRAM: Final = """
import re, sys
from pathlib import Path
from core.x12.check import check_file
checked = check_file(Path(sys.argv[1]))
assert checked.is_usable and checked.found.reach is None, checked.found.worst_first
print(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])
"""


def megabytes_to_read(path: Path) -> float:
    """Return the peak memory of a process that reads the file to its end."""
    command = [sys.executable, "-c", _PROGRAM, str(path)]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout) / 1024
