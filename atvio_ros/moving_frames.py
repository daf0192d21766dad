"""Poses of a moving frame in a fixed one, through a chain of recorded transforms as tf2 would answer at each stamp."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from atvio_ros.errors import TrajectoryError
from atvio_ros.transform_tree import frame_name
from atvio_ros.types import FloatArray, Trajectory


@dataclass(frozen=True)
class StampedTransform:
    """One transform of /tf."""

    stamp_ns: int
    parent: str
    child: str
    T_parent_child: FloatArray  # (4, 4)


def chained(
    static: Mapping[tuple[str, str], FloatArray], stamped: Sequence[StampedTransform], fixed: str, moving: str
) -> Trajectory:
    """Poses of `moving` in `fixed`, at the stamps of that moving link of the chain between them that has most.

    The other links are interpolated, as tf2 does; stamps that one of them does not cover are left out. Raises
    TrajectoryError that lists the frames where no chain leads from one to the other, or nothing in it moves.
    """
    links: dict[tuple[str, str], list[StampedTransform]] = defaultdict(list)
    for each in stamped:
        links[each.parent, each.child].append(each)
    parents = {child: parent for parent, child in (*static, *links)}
    chain: list[tuple[str, str]] = []
    frame, target = frame_name(moving), frame_name(fixed)
    while frame != target and frame in parents and len(chain) <= len(parents):
        chain.insert(0, (parents[frame], frame))
        frame = parents[frame]
    moves = [link for link in chain if link in links]
    if frame != target or not moves:
        known = ', '.join(f'{parent} -> {child}' for parent, child in (*static, *links)) or 'none'
        what = 'nothing between them moves' if frame == target else 'no chain of transforms leads there'
        raise TrajectoryError(
            f'{moving} cannot be told in {fixed}: {what}. The transforms are: {known}. Name two others with --truth-tf.'
        )
    tracks = {link: _track(links[link]) for link in moves}
    stamps_ns = max((tracks[link].stamps_ns for link in moves), key=len)
    for track in tracks.values():
        stamps_ns = stamps_ns[(stamps_ns >= track.stamps_ns[0]) & (stamps_ns <= track.stamps_ns[-1])]
    if len(stamps_ns) == 0:
        raise TrajectoryError(
            f'{moving} cannot be told in {fixed}: the transforms between them share no time.'
            ' Record them together, or name two others with --truth-tf.'
        )
    poses = np.tile(np.eye(4), (len(stamps_ns), 1, 1))
    for link in chain:
        poses = poses @ (_at(tracks[link], stamps_ns) if link in tracks else static[link])
    return Trajectory(stamps_ns, poses)


def _track(link: Sequence[StampedTransform]) -> Trajectory:
    stamps_ns, first = np.unique(np.array([each.stamp_ns for each in link], dtype=np.int64), return_index=True)
    return Trajectory(stamps_ns, np.stack([link[i].T_parent_child for i in first]))


def _at(track: Trajectory, stamps_ns: NDArray[np.int64]) -> FloatArray:
    """Poses (N, 4, 4) at stamps that the track covers."""
    if len(track) == 1:
        return np.repeat(track.poses, len(stamps_ns), axis=0)
    from scipy.spatial.transform import Rotation, Slerp  # where it is needed: see geometry.py

    seconds, wanted = ((each - track.stamps_ns[0]) / 1e9 for each in (track.stamps_ns, stamps_ns))
    poses = np.tile(np.eye(4), (len(stamps_ns), 1, 1))
    poses[:, :3, :3] = Slerp(seconds, Rotation.from_matrix(track.poses[:, :3, :3]))(wanted).as_matrix()
    for axis in range(3):
        poses[:, axis, 3] = np.interp(wanted, seconds, track.poses[:, axis, 3])
    return poses
