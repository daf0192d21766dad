"""Looks up a pose in a set of static transforms, as tf2 would."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from atvio_ros.geometry import inverse
from atvio_ros.types import FloatArray


def lookup(transforms: Mapping[tuple[str, str], FloatArray], target: str, source: str) -> FloatArray | None:
    """T_target_source (4, 4) from {(parent, child): T_parent_child}, over any chain up and down; None without one."""
    edges: dict[str, dict[str, FloatArray]] = {}
    for (parent, child), T_parent_child in transforms.items():
        edges.setdefault(parent, {})[child] = T_parent_child
        edges.setdefault(child, {})[parent] = inverse(T_parent_child)
    reached: dict[str, FloatArray] = {target: np.eye(4)}
    waiting = [target]
    while waiting and source not in reached:
        frame = waiting.pop()
        for neighbour, T_frame_neighbour in edges.get(frame, {}).items():
            if neighbour not in reached:
                reached[neighbour] = reached[frame] @ T_frame_neighbour
                waiting.append(neighbour)
    return reached.get(source)
