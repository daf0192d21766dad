"""Where fixed parts of a robot sit, by the names of their frames: for the node's /tf_static and for that of a bag.

tf2's own buffer also interpolates moving transforms; extrinsics must not move, and PyPI has no tf2.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from atvio_ros.errors import MessageError
from atvio_ros.geometry import inverse
from atvio_ros.types import FloatArray

MOST_FRAMES = 50_000  # of a robot with a thousand bodies, and some


class TransformTree:
    """Fixed transforms, parent to child. As in tf2, a frame has one parent: a newer transform replaces an older."""

    def __init__(self, transforms: Mapping[tuple[str, str], FloatArray] | None = None) -> None:
        self._parents: dict[str, tuple[str, FloatArray]] = {}  # child: its parent, T_parent_child
        for (parent, child), T_parent_child in (transforms or {}).items():
            self.add(parent, child, T_parent_child)

    @property
    def frames(self) -> list[str]:
        """All frames that are known, by name."""
        return sorted({*self._parents, *(parent for parent, _ in self._parents.values())})

    def parent(self, frame: str) -> str:
        """The frame that another is fixed to; '' where there is none."""
        return self._parents[frame_name(frame)][0] if frame_name(frame) in self._parents else ''

    def add(self, parent: str, child: str, T_parent_child: FloatArray) -> None:
        """Take the pose (4, 4) of `child` in `parent`. Raises MessageError when there are too many frames."""
        child = frame_name(child)
        if len(self._parents) >= MOST_FRAMES and child not in self._parents:
            raise MessageError(
                f'There are more than {MOST_FRAMES} frames. Which node publishes so many?'
                ' Stop it, or give its frames names that stay.'
            )
        self._parents[child] = frame_name(parent), T_parent_child

    def lookup(self, target: str, source: str) -> FloatArray | None:
        """T_target_source (4, 4), through their common ancestor; None while a link is missing."""
        from_target, from_source = self._ancestors(frame_name(target)), self._ancestors(frame_name(source))
        for ancestor, T_ancestor_source in from_source.items():
            if ancestor in from_target:
                return inverse(from_target[ancestor]) @ T_ancestor_source
        return None

    def _ancestors(self, frame: str) -> dict[str, FloatArray]:
        """The frame and what is above it, nearest first: its pose in each. A loop ends where it closes."""
        poses = {frame: np.eye(4)}
        while frame in self._parents and self._parents[frame][0] not in poses:
            parent, T_parent_frame = self._parents[frame]
            poses[parent] = T_parent_frame @ poses[frame]
            frame = parent
        return poses


def lookup(transforms: Mapping[tuple[str, str], FloatArray], target: str, source: str) -> FloatArray | None:
    """TransformTree.lookup in {(parent, child): T_parent_child (4, 4)}, later entries being the newer."""
    return TransformTree(transforms).lookup(target, source)


def frame_name(frame_id: str) -> str:
    """A frame as ROS 2 names it: ROS 1 writes /base_link for base_link."""
    return frame_id.lstrip('/')
