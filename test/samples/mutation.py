"""Bytes changed at random, for tests that whatever comes in, nothing comes out but a value or an error of ours.

The examples are the same in every run, unless ATVIO_FUZZ=50, say, asks for fifty times as many new ones.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from atvio_ros.errors import AtvioError

LONGEST_MESSAGE = 3000
TIMES = int(os.environ.get('ATVIO_FUZZ', '1'))
EDGES = (0, 1, 0x7F, 0xFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, 1 << 33, 1 << 40, (1 << 63) - 1, (1 << 64) - 1)


def fuzz(examples: int):
    """Settings of a test that writes its file anew for each example."""
    return settings(
        max_examples=examples * TIMES,
        deadline=None,
        derandomize=TIMES == 1,
        database=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
    )


@st.composite
def edits(draw: st.DrawFn) -> list[tuple[str, float, int, int]]:
    """What to do to some bytes: kind, place as a share of the length, number of bytes, value."""
    one = st.tuples(
        st.sampled_from(('set', 'set', 'edge', 'cut', 'insert', 'copy', 'end')),
        st.floats(0.0, 1.0, exclude_max=True),
        st.sampled_from((1, 2, 4, 8, 16)),
        st.one_of(st.integers(0, 255), st.sampled_from(EDGES)),
    )
    return draw(st.lists(one, min_size=1, max_size=4))


def mutated(content: bytes, changes: list[tuple[str, float, int, int]]) -> bytes:
    data = bytearray(content)
    for kind, share, count, value in changes:
        at = int(share * len(data))
        number = (value & ((1 << 8 * count) - 1)).to_bytes(count, 'little')
        if kind == 'set':
            data[at : at + 1] = bytes([value & 0xFF])
        elif kind == 'edge':
            data[at : at + count] = number
        elif kind == 'cut':
            del data[at : at + count]
        elif kind == 'insert':
            data[at:at] = number
        elif kind == 'copy':
            data[at : at + count] = data[:count]
        else:
            del data[at:]
    return bytes(data)


def only_our_errors(read: Callable[[], object]) -> None:
    message = ''
    try:
        read()
    except AtvioError as error:
        message = str(error)
    assert len(message) < LONGEST_MESSAGE
