"""A world of one thing in the dark, for the tests."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.spatial import cKDTree

from atvio_ros.rendering.appearance import Appearance
from atvio_ros.rendering.conditions import Conditions
from atvio_ros.rendering.mesh import Batch, Light, quads, rectangle_uv
from atvio_ros.rendering.road import Road
from atvio_ros.rendering.world import World

CORNERS = np.radians((17.0, 287.0, 197.0, 107.0))  # anticlockwise as seen: its front


def a_lone_rectangle(corners: np.ndarray) -> World:
    """A world of one white rectangle, (4, 3) corners, in the dark; or of several, (N, 4, 3)."""
    light = Light(np.array((0.0, 0.0, 1.0)), np.zeros(3), np.zeros(3))
    appearance = Appearance(light, 1.0, np.zeros(3), 0.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0)
    none = Batch.of([], [], 4)
    # A tint of one half is white: the shaders double it.
    white = Batch.of([quads(corners.reshape(-1, 4, 3), rectangle_uv(), (0.5, 0.5, 0.5), 0)], [0], 4)
    texture = np.full((1, 8, 8, 4), 255, np.uint8)
    black = np.zeros((8, 16, 3), np.uint8)
    sunny = np.full((64, 128), 255, np.uint8)
    return World(appearance, texture, black, sunny, none, white, none, none, None, np.zeros(1))


def a_wet_road(corners: np.ndarray) -> World:
    """A white rectangle (4, 3) beside or across a black wet road along x, at z = 0."""
    dry = a_lone_rectangle(corners)
    flat = np.array(((-20.0, -30.0, 0.0), (100.0, -30.0, 0.0), (100.0, 30.0, 0.0), (-20.0, 30.0, 0.0)))
    asphalt = Batch.of([quads(flat[None], rectangle_uv(), (0.0, 0.0, 0.0), 0)], [0], 4)
    samples = np.arange(100.0)
    zero, none = np.zeros(100), np.zeros(100, np.int64)
    line = np.stack((samples, zero, zero), axis=1)
    left = np.tile((0.0, 1.0), (100, 1))
    road = Road(line, left, zero, zero, none, zero, zero, zero, zero, np.zeros(1), cKDTree(line[:, :2]))
    return replace(dry, ground=asphalt, road=road, conditions=Conditions(wet=1.0))
