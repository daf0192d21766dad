"""atvio_node whose network stands before a gate at its first frame pair: it goes on when standard input ends."""

from __future__ import annotations

import sys

from atvio_ros.ros import node
from atvio_ros.types import FramePair, RelativeMotion
from samples.nodes.fakes import Fake, one_metre

AT_THE_GATE = 'at the gate'


def wait_and_predict(pair: FramePair) -> RelativeMotion:
    """Each frame pair announced and held up."""
    print(AT_THE_GATE, flush=True)
    sys.stdin.read()  # returns at once when it has ended before
    return one_metre(pair)


if __name__ == '__main__':
    node.main(lambda parameters: Fake(wait_and_predict))
