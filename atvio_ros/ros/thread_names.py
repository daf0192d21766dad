"""Names for threads that tools of the system show: `top -H`, `/proc/PID/task/*/comm`, and benchmarks.node."""

from __future__ import annotations

import contextlib
from pathlib import Path

_LONGEST = 15  # characters that Linux keeps


def name_this_thread(name: str) -> None:
    """Give the calling thread a name, where the system has threads with names (Python does so from 3.14 on)."""
    with contextlib.suppress(OSError):
        Path('/proc/thread-self/comm').write_text(name[:_LONGEST])
