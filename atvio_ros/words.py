"""Words for people, of a length that people read: what comes in may be of any."""

from __future__ import annotations

from collections.abc import Sequence

LONGEST_NAME = 60
LONGEST_TEXT = 1000  # characters of a status or a line in the log


def listed(names: Sequence[str], most: int = 12) -> str:
    """Names with commas between them; of many the first few and how many more."""
    shown = ', '.join(shortened(name, LONGEST_NAME) for name in names[:most])
    return shown if len(names) <= most else f'{shown} and {len(names) - most} more'


def shortened(text: str, longest: int = LONGEST_TEXT) -> str:
    """The text, cut in the middle where it is longer: how it begins and how it ends say most."""
    if len(text) <= longest:
        return text
    head = (longest - 3) * 2 // 3
    return f'{text[:head]}...{text[len(text) - (longest - 3 - head) :]}'
