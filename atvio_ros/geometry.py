"""Rigid motions: T_a_b is the 4x4 pose of frame b in frame a, so p_a = T_a_b @ p_b.

What is rare is scipy's. A running node, and a run over a bag, do without it: importing scipy.spatial is a quarter of a
node's start and 35 MB of its memory, so it is imported where it is used.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from atvio_ros.types import FloatArray

if TYPE_CHECKING:
    from scipy.spatial.transform import Rotation

_ROUNDED = 1e-9  # by which a rotation is off one after a product or two

# Axes of an optical frame (z forward, x right, y down) seen from a body frame (x forward, y left, z up), REP 103.
R_BODY_OPTICAL: FloatArray = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])


def transform(rotation: FloatArray, translation: FloatArray) -> FloatArray:
    """Pose (4, 4) from a rotation matrix (3, 3) and a translation (3,) [m]."""
    T = np.eye(4)
    T[:3, :3] = rotation
    T[:3, 3] = translation
    return T


def translation(x: float, y: float, z: float) -> FloatArray:
    """Pose (4, 4) of a pure translation [m]."""
    return transform(np.eye(3), np.array([x, y, z]))


def inverse(T: FloatArray) -> FloatArray:
    """Inverse of one pose (4, 4) or of a stack of poses (..., 4, 4)."""
    R_transposed = np.swapaxes(T[..., :3, :3], -1, -2)
    result = np.zeros_like(T)
    result[..., :3, :3] = R_transposed
    result[..., :3, 3] = -(R_transposed @ T[..., :3, 3, None])[..., 0]
    result[..., 3, 3] = 1.0
    return result


def relative_poses(poses: FloatArray) -> FloatArray:
    """T_previous_current of each neighbouring pair: (N, 4, 4) -> (N - 1, 4, 4)."""
    return inverse(poses[:-1]) @ poses[1:]


def compose(relative: FloatArray, start: FloatArray | None = None) -> FloatArray:
    """Chain relative poses (N - 1, 4, 4) into a trajectory (N, 4, 4) that begins at `start` (identity by default)."""
    poses = np.empty((len(relative) + 1, 4, 4))
    poses[0] = np.eye(4) if start is None else start
    for i, T_previous_current in enumerate(relative):
        poses[i + 1] = poses[i] @ T_previous_current
    return poses


def encode_motion(T: FloatArray) -> FloatArray:
    """Pose (..., 4, 4) -> the network's 6-vector (..., 6): x y z [m], roll pitch yaw [rad].

    The angles are those of R = Rz(yaw) Ry(pitch) Rx(roll); pitch is in [-pi/2, pi/2].
    """
    angles = _rotation(T[..., :3, :3]).as_euler('ZYX')[:, ::-1]
    return np.concatenate((T[..., :3, 3], angles.reshape(*T.shape[:-2], 3)), axis=-1)


def decode_motion(vector: FloatArray) -> FloatArray:
    """Inverse of encode_motion: (..., 6) -> (..., 4, 4)."""
    T = np.zeros((*vector.shape[:-1], 4, 4))
    Rx, Ry, Rz = (rotations(vector[..., 3 + i, None] * np.eye(3)[i]) for i in range(3))
    T[..., :3, :3] = Rz @ Ry @ Rx
    T[..., :3, 3] = vector[..., :3]
    T[..., 3, 3] = 1.0
    return T


def rotation_angle(R: FloatArray) -> FloatArray:
    """Angle [rad] of rotation matrices (..., 3, 3), accurate for small ones too."""
    if R.ndim == 2:
        return np.asarray(math.hypot(*rotation_vector(R).tolist()))
    if R.size == 0:  # which scipy refuses before 1.11
        return np.zeros(R.shape[:-2])
    if _are_exact(R):
        x, y, z = R[..., 2, 1] - R[..., 1, 2], R[..., 0, 2] - R[..., 2, 0], R[..., 1, 0] - R[..., 0, 1]
        cosine = 0.5 * (np.trace(R, axis1=-2, axis2=-1) - 1.0)
        return np.asarray(np.arctan2(0.5 * np.sqrt(x * x + y * y + z * z), cosine))
    magnitudes = _rotation(R).magnitude()
    return np.asarray(magnitudes).reshape(R.shape[:-2])


def skew(v: FloatArray) -> FloatArray:
    """Matrix (3, 3) of the cross product with v (3,)."""
    x, y, z = v
    return np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])


def logarithm(T: FloatArray) -> FloatArray:
    """Logarithm of a pose (4, 4) on SE(3): (6,) translation part [m], then rotation vector [rad].

    Divided by the time the motion took, it is the constant twist, in the moving frame, that produces it.
    """
    phi = rotation_vector(T[:3, :3])
    angle = math.hypot(*phi.tolist())
    W = skew(phi)
    # Inverse of the left Jacobian of SO(3); its second coefficient tends to 1/12.
    coefficient = 1 / 12 if angle < 1e-4 else (1 - 0.5 * angle / np.tan(0.5 * angle)) / angle**2
    V_inverse = np.eye(3) - 0.5 * W + coefficient * W @ W
    return np.concatenate((V_inverse @ T[:3, 3], phi))


def rotation_vector(R: FloatArray) -> FloatArray:
    """Rotation matrix (3, 3) -> axis times angle [rad] (3,): as `rotation_vectors`, in a tenth of the time for one."""
    (a, b, c), (d, e, f), (g, h, i) = R.tolist()
    x, y, z = h - f, c - g, d - b  # the axis times twice the sine
    sine, cosine = 0.5 * math.sqrt(x * x + y * y + z * z), 0.5 * (a + e + i - 1.0)
    if cosine < -0.5:  # near a half turn the sine tells little of the axis
        return np.asarray(_rotation(R).as_rotvec()[0])
    scale = 0.5 * math.atan2(sine, cosine) / sine if sine > 0.0 else 0.5
    return np.array([scale * x, scale * y, scale * z])


def rotations(vectors: FloatArray) -> FloatArray:
    """Axis times angle [rad] (..., 3) -> rotation matrices (..., 3, 3), by the formula of Rodrigues.

    scipy's do the same, but take fifty microseconds for one, and the odometry makes several for each image.
    """
    if vectors.ndim == 1:
        return _one_rotation(*vectors.tolist())
    x, y, z = np.moveaxis(vectors, -1, 0)
    square = x * x + y * y + z * z
    angle = np.sqrt(square)
    small = angle < 1e-4  # then the series is exact to the last digit
    safe = np.where(small, 1.0, angle)
    first = np.where(small, 1.0 - square / 6.0, np.sin(safe) / safe)
    second = np.where(small, 0.5 - square / 24.0, 2.0 * (np.sin(0.5 * safe) / safe) ** 2)
    cosine = 1.0 - second * square
    R = np.empty((*np.shape(vectors), 3))
    R[..., 0, 0], R[..., 1, 1], R[..., 2, 2] = (cosine + second * each * each for each in (x, y, z))
    for row, column, product, sine in ((0, 1, x * y, -z), (0, 2, x * z, y), (1, 2, y * z, -x)):
        R[..., row, column], R[..., column, row] = second * product + first * sine, second * product - first * sine
    return R


def _one_rotation(x: float, y: float, z: float) -> FloatArray:
    """As `rotations`, of one vector: plain numbers take a tenth of the time of arrays so small."""
    square = x * x + y * y + z * z
    angle = math.sqrt(square)
    if angle < 1e-4:
        first, second = 1.0 - square / 6.0, 0.5 - square / 24.0
    elif math.isfinite(angle):
        first, second = math.sin(angle) / angle, 2.0 * (math.sin(0.5 * angle) / angle) ** 2
    else:
        return np.full((3, 3), np.nan)
    cosine, xy, xz, yz = 1.0 - second * square, second * (x * y), second * (x * z), second * (y * z)
    u, v, w = first * x, first * y, first * z
    return np.array(
        [
            [cosine + second * x * x, xy - w, xz + v],
            [xy + w, cosine + second * y * y, yz - u],
            [xz - v, yz + u, cosine + second * z * z],
        ]
    )


def rotation_vectors(R: FloatArray) -> FloatArray:
    """Rotation matrices (..., 3, 3) -> axis times angle [rad] (..., 3)."""
    if R.size == 0:  # which scipy refuses before 1.11
        return np.zeros(R.shape[:-1])
    return np.asarray(_rotation(R).as_rotvec()).reshape(R.shape[:-1])


def quaternion(R: FloatArray) -> FloatArray:
    """Rotation matrices (..., 3, 3) -> x y z w (..., 4), the order of geometry_msgs/Quaternion."""
    if R.size == 0:  # as above
        return np.zeros((*R.shape[:-2], 4))
    if R.ndim == 2:
        return _one_quaternion(R)
    if _are_exact(R):
        return _quaternions(R.reshape(-1, 3, 3)).reshape(*R.shape[:-2], 4)
    return np.asarray(_rotation(R).as_quat()).reshape(*R.shape[:-2], 4)


def from_quaternions(q: FloatArray) -> FloatArray:
    """x y z w (N, 4) of any length but zero -> rotation matrices (N, 3, 3)."""
    x, y, z, w = (q / np.linalg.norm(q, axis=1, keepdims=True)).T
    rows = (
        (1.0 - 2.0 * (y * y + z * z), 2.0 * (x * y - z * w), 2.0 * (x * z + y * w)),
        (2.0 * (x * y + z * w), 1.0 - 2.0 * (x * x + z * z), 2.0 * (y * z - x * w)),
        (2.0 * (x * z - y * w), 2.0 * (y * z + x * w), 1.0 - 2.0 * (x * x + y * y)),
    )
    return np.moveaxis(np.array(rows), 2, 0)


def from_quaternion(x: float, y: float, z: float, w: float) -> FloatArray:
    """x y z w of any length but zero -> rotation matrix (3, 3). Raises ValueError."""
    length = math.hypot(x, y, z, w)
    if length == 0.0:
        raise ValueError('A quaternion of zeros is no rotation.')
    x, y, z, w = x / length, y / length, z / length, w / length
    return np.array(
        [
            [1.0 - 2.0 * (y * y + z * z), 2.0 * (x * y - z * w), 2.0 * (x * z + y * w)],
            [2.0 * (x * y + z * w), 1.0 - 2.0 * (x * x + z * z), 2.0 * (y * z - x * w)],
            [2.0 * (x * z - y * w), 2.0 * (y * z + x * w), 1.0 - 2.0 * (x * x + y * y)],
        ]
    )


def nearest_rotation(R: FloatArray) -> FloatArray:
    """The rotation matrices nearest to (..., 3, 3), for ground truth printed with few digits."""
    if R.ndim == 2 and np.abs(error := R.T @ R - np.eye(3)).max() < _ROUNDED and _determinant(R) > 0.0:
        return np.asarray(R - 0.5 * R @ error)  # the polar factor to first order, which is exact here
    u, _, vt = np.linalg.svd(R)
    sign = np.ones(R.shape[:-1])
    sign[..., 2] = np.linalg.det(u @ vt)
    return np.asarray((u * sign[..., None, :]) @ vt)


def _quaternions(R: FloatArray) -> FloatArray:
    """As `_one_quaternion`, of each of (N, 3, 3)."""
    diagonal = np.diagonal(R, axis1=1, axis2=2)
    trace = diagonal.sum(axis=1)
    largest = np.argmax(np.column_stack((diagonal, trace)), axis=1)
    q = np.empty((len(R), 4))
    for choice in range(4):
        chosen = largest == choice
        each, sum_ = R[chosen], trace[chosen]
        i, j, k = choice % 3, (choice + 1) % 3, (choice + 2) % 3
        if choice == 3:
            q[chosen, 3] = 1.0 + sum_
            for a, b, c in ((0, 1, 2), (1, 2, 0), (2, 0, 1)):
                q[chosen, a] = each[:, c, b] - each[:, b, c]
        else:
            q[chosen, i] = 1.0 - sum_ + 2.0 * each[:, i, i]
            q[chosen, j], q[chosen, k] = each[:, j, i] + each[:, i, j], each[:, k, i] + each[:, i, k]
            q[chosen, 3] = each[:, k, j] - each[:, j, k]
    return np.asarray(q / np.linalg.norm(q, axis=1, keepdims=True))


def _are_exact(R: FloatArray) -> bool:
    """Whether these are rotations but for rounding. Of others, printed with few digits, scipy takes the nearest."""
    return bool(np.abs(np.swapaxes(R, -1, -2) @ R - np.eye(3)).max() < _ROUNDED and (np.linalg.det(R) > 0.0).all())


def _determinant(R: FloatArray) -> float:
    (a, b, c), (d, e, f), (g, h, i) = R.tolist()
    return float(a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g))


def _one_quaternion(R: FloatArray) -> FloatArray:
    """As `quaternion`, of one rotation: from its largest component, which no cancellation touches (Shepperd, 1978)."""
    trace = R[0, 0] + R[1, 1] + R[2, 2]
    largest = int(np.argmax((*np.diag(R), trace)))
    q = np.empty(4)
    if largest == 3:
        q[:] = R[2, 1] - R[1, 2], R[0, 2] - R[2, 0], R[1, 0] - R[0, 1], 1.0 + trace
    else:
        i, j, k = largest, (largest + 1) % 3, (largest + 2) % 3
        q[i], q[j], q[k] = 1.0 - trace + 2.0 * R[i, i], R[j, i] + R[i, j], R[k, i] + R[i, k]
        q[3] = R[k, j] - R[j, k]
    return np.asarray(q / math.sqrt(q @ q))


def _rotation(R: FloatArray) -> Rotation:
    """Rotation matrices (..., 3, 3) as scipy's, in one row."""
    from scipy.spatial.transform import Rotation

    return Rotation.from_matrix(R.reshape(-1, 3, 3))
