"""Wet roads: the road's plane, and what is seen in it. A mirror image moves with what it shows, not with the road."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import moderngl
import numpy as np

from atvio_ros.rendering.road import Road
from atvio_ros.types import FloatArray

LOOK_AHEAD_M = 12.0  # the road's plane goes through the road here and that far ahead
COARSER = 2  # than the image, each way: water on asphalt is no clear mirror
MIRROR_UNIT = 3  # the texture unit


@dataclass(frozen=True)
class RoadPlane:
    """The plane of the road near the camera, world axes."""

    point: FloatArray  # (3,)
    normal: FloatArray  # (3,) unit, upwards

    @staticmethod
    def under(road: Road, way_m: float) -> RoadPlane:
        """The plane `way_m` along the road, which has no cross slope."""
        samples = np.arange(len(road.centre))
        here, there = (
            np.array([np.interp(way_m + ahead, samples, column) for column in road.centre.T])
            for ahead in (0.0, LOOK_AHEAD_M)
        )
        along = (there - here) / np.linalg.norm(there - here)
        normal = np.array((0.0, 0.0, 1.0)) - along[2] * along
        return RoadPlane(here, normal / np.linalg.norm(normal))

    def reflection(self, eye: FloatArray) -> FloatArray:
        """(4, 4): a point relative to the eye -> its mirror image relative to the eye."""
        height = float((eye - self.point) @ self.normal)
        matrix = np.eye(4)
        matrix[:3, :3] -= 2.0 * np.outer(self.normal, self.normal)
        matrix[:3, 3] = -2.0 * height * self.normal
        return matrix


class Mirror:
    """Where the mirrored world of each face is drawn."""

    def __init__(self, gl: Any, sizes: list[tuple[int, int]]) -> None:
        self._gl = gl
        small = [(max(1, width // COARSER), max(1, height // COARSER)) for width, height in sizes]
        self._textures = [gl.texture(size, 4) for size in small]
        for texture in self._textures:
            texture.filter = (moderngl.LINEAR, moderngl.LINEAR)
            texture.repeat_x = texture.repeat_y = False
        self._targets = [
            gl.framebuffer([texture], gl.depth_renderbuffer(size))
            for texture, size in zip(self._textures, small, strict=True)
        ]

    def begin(self, face: int) -> None:
        """Draw into the mirror of a face from now on."""
        self._gl.front_face = 'ccw'  # what is mirrored turns the other way round
        self._targets[face].use()
        self._targets[face].clear(depth=1.0)

    def end(self, face: int) -> None:
        """Show it in the road."""
        self._gl.front_face = 'cw'
        self._textures[face].use(MIRROR_UNIT)
