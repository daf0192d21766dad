"""Rotations in torch, differentiable everywhere a frame pair can reach; the conventions of atvio_ros.geometry."""

from __future__ import annotations

import torch
from torch import Tensor

_SMALL = 1e-4  # squared angle [rad^2] below which a series replaces a quotient of two vanishing numbers


def exp(vector: Tensor) -> Tensor:
    """Rotation vector (..., 3) [rad] -> rotation matrix (..., 3, 3), by Rodrigues' formula."""
    squared = vector.square().sum(dim=-1)[..., None, None]  # (..., 1, 1)
    K = skew(vector)
    half_sinc = _sinc(squared / 4)  # (1 - cos t) / t^2 = sinc(t / 2)^2 / 2, without cancellation
    identity = torch.eye(3, dtype=vector.dtype, device=vector.device)
    return identity + _sinc(squared) * K + 0.5 * half_sinc.square() * (K @ K)


def log(R: Tensor) -> Tensor:
    """Rotation matrix (..., 3, 3) -> rotation vector (..., 3) [rad], for angles well below pi."""
    sine_axis = 0.5 * torch.stack(  # axis * sin(angle)
        (R[..., 2, 1] - R[..., 1, 2], R[..., 0, 2] - R[..., 2, 0], R[..., 1, 0] - R[..., 0, 1]), dim=-1
    )
    squared_sine = sine_axis.square().sum(dim=-1, keepdim=True)
    cosine = 0.5 * (R.diagonal(dim1=-2, dim2=-1).sum(dim=-1, keepdim=True) - 1.0)
    small = (squared_sine < _SMALL) & (cosine > 0.0)
    sine = torch.where(small, torch.ones_like(squared_sine), squared_sine).sqrt()
    # asin(s) / s as a series in s^2 near zero, where atan2's gradient would be 0 / 0.
    series = 1.0 + squared_sine / 6.0 + 3.0 * squared_sine.square() / 40.0 + 15.0 * squared_sine**3 / 336.0
    return sine_axis * torch.where(small, series, torch.atan2(sine, cosine) / sine)


def skew(vector: Tensor) -> Tensor:
    """(..., 3) -> (..., 3, 3), so that skew(a) @ b = a x b."""
    x, y, z = vector.unbind(dim=-1)
    zero = torch.zeros_like(x)
    return torch.stack((zero, -z, y, z, zero, -x, -y, x, zero), dim=-1).view(*vector.shape, 3)


def matrix_from_euler(angles: Tensor) -> Tensor:
    """Roll pitch yaw (..., 3) [rad] -> R = Rz(yaw) Ry(pitch) Rx(roll) (..., 3, 3)."""
    axes = torch.eye(3, dtype=angles.dtype, device=angles.device)
    Rx, Ry, Rz = (exp(angles[..., i, None] * axes[i]) for i in range(3))
    return Rz @ Ry @ Rx


def euler_from_matrix(R: Tensor) -> Tensor:
    """Inverse of matrix_from_euler for pitch away from +-90 degrees: (..., 3, 3) -> (..., 3)."""
    roll = torch.atan2(R[..., 2, 1], R[..., 2, 2])
    cosine = (R[..., 2, 1].square() + R[..., 2, 2].square()).sqrt()  # ONNX has no hypot; these numbers need none
    pitch = torch.atan2(-R[..., 2, 0], cosine)
    yaw = torch.atan2(R[..., 1, 0], R[..., 0, 0])
    return torch.stack((roll, pitch, yaw), dim=-1)


def _sinc(squared: Tensor) -> Tensor:
    """sin(t) / t from t^2."""
    small = squared < _SMALL
    angle = torch.where(small, torch.ones_like(squared), squared).sqrt()
    return torch.where(small, 1.0 - squared / 6.0 + squared.square() / 120.0 - squared**3 / 5040.0, angle.sin() / angle)
