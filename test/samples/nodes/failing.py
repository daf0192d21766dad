"""atvio_node whose network fails on ten frame pairs after the third."""

from __future__ import annotations

import itertools

from atvio_ros.ros import node
from atvio_ros.types import FramePair, RelativeMotion
from samples.nodes.fakes import Fake, one_metre

GOOD, FAILURES = 3, 10
WORDS = 'CUDA out of memory'

calls = itertools.count()


def sometimes(pair: FramePair) -> RelativeMotion:
    """A metre ahead, but an error of PyTorch in the place of ten motions."""
    if GOOD <= next(calls) < GOOD + FAILURES:
        raise RuntimeError(WORDS)
    return one_metre(pair)


if __name__ == '__main__':
    node.main(lambda parameters: Fake(sometimes))
