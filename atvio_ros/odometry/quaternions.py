"""Rotations as tuples x y z w and vectors as tuples: for three numbers numpy costs more than Python does."""

from __future__ import annotations

import math
from typing import TypeAlias

Vector: TypeAlias = tuple[float, float, float]
Quaternion: TypeAlias = tuple[float, float, float, float]  # x y z w, of unit length


def turned(q: Quaternion, v: Vector) -> Vector:
    """R(q) v."""
    x, y, z, w = q
    a, b, c = v
    s, t, u = 2.0 * (y * c - z * b), 2.0 * (z * a - x * c), 2.0 * (x * b - y * a)
    return a + w * s + y * u - z * t, b + w * t + z * s - x * u, c + w * u + x * t - y * s


def conjugate(q: Quaternion) -> Quaternion:
    """The inverse."""
    return -q[0], -q[1], -q[2], q[3]


def product(p: Quaternion, q: Quaternion) -> Quaternion:
    """R(p) R(q), normalised."""
    a, b, c, d = p
    e, f, g, h = q
    x = d * e + a * h + b * g - c * f
    y = d * f - a * g + b * h + c * e
    z = d * g + a * f - b * e + c * h
    w = d * h - a * e - b * f - c * g
    n = 1.0 / math.sqrt(x * x + y * y + z * z + w * w)
    return x * n, y * n, z * n, w * n


def exponential(v: Vector) -> Quaternion:
    """The rotation by a rotation vector [rad]."""
    angle = math.sqrt(v[0] * v[0] + v[1] * v[1] + v[2] * v[2])
    share = 0.5 - angle * angle / 48.0 if angle < 1e-4 else math.sin(0.5 * angle) / angle
    return v[0] * share, v[1] * share, v[2] * share, math.cos(0.5 * angle)


def logarithm(q: Quaternion) -> Vector:
    """Its inverse: the shortest rotation vector [rad]."""
    x, y, z, w = q if q[3] >= 0.0 else (-q[0], -q[1], -q[2], -q[3])
    length = math.sqrt(x * x + y * y + z * z)
    share = 2.0 if length < 1e-9 else 2.0 * math.atan2(length, w) / length
    return x * share, y * share, z * share


def cross(a: Vector, b: Vector) -> Vector:
    """a x b."""
    return a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]


def added(a: Vector, b: Vector, share: float = 1.0) -> Vector:
    """a + share b."""
    return a[0] + share * b[0], a[1] + share * b[1], a[2] + share * b[2]
