"""The paper's loss: Barron's general and adaptive robust loss (CVPR 2019) on translation and rotation (eq. 1 and 2)."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

# Integration over x = sqrt(2) sinh(u): every density from the Gaussian (alpha = 2) to the Cauchy (alpha = 0) decays at
# least exponentially in u, where the trapezoidal rule converges geometrically.
_QUADRATURE_STEP = 0.05
_QUADRATURE_END = 35.0

_SMALL = 1e-2  # below this, expm1(t) / t comes from its series, whose gradient does not cancel
_NEAR_TWO = 1e-6  # |2 - alpha| is kept this far from 0, where the formula is 0 / 0 and its limit x^2 / 2
_MAX_EXPONENT = 60.0  # e^60, and its products with the other factors, are finite in float32
_MIN_C = 1e-6  # errors that vanish (a fitted training set) must not drive c, and the likelihood, to infinity


def general_loss(x: Tensor, alpha: Tensor | float, c: Tensor | float) -> Tensor:
    """Barron's loss rho(x, alpha, c), eq. 1, with its limits at alpha = 0, 2, inf and -inf; any shape, broadcast.

    alpha = 2 is x^2 / 2, 1 is Charbonnier, 0 is Cauchy, -2 is Geman-McClure, -inf is Welsch (x over the scale c).
    Values and gradients are finite for every alpha and x, 0 included.
    """
    alpha = torch.as_tensor(alpha, dtype=x.dtype, device=x.device)
    squared = (x / c).square()
    infinite = torch.isinf(alpha)
    finite_alpha = torch.where(infinite, torch.ones_like(alpha), alpha)  # keeps nan out of the unused branch
    b = (finite_alpha - 2.0).abs().clamp(min=_NEAR_TWO)
    logarithm = torch.log1p(squared / b)
    # (b / alpha) ((squared / b + 1)^(alpha / 2) - 1), written so that alpha = 0 is not special.
    loss = 0.5 * b * logarithm * _expm1_ratio((0.5 * finite_alpha * logarithm).clamp(max=_MAX_EXPONENT))
    sign = torch.sign(alpha)
    limit = sign * torch.expm1((0.5 * sign * squared).clamp(max=_MAX_EXPONENT))
    return torch.where(infinite, limit, loss)


def log_partition(alpha: Tensor) -> Tensor:
    """log of Z(alpha), the integral of exp(-rho(x, alpha, 1)) over all x, for alpha in [0, 2]; differentiable.

    Z(0) = pi sqrt(2) and Z(2) = sqrt(2 pi). By quadrature, to about nine digits: for the handful of alphas of a pose it
    costs less than a millisecond and needs no table.
    """
    u = torch.arange(0.0, _QUADRATURE_END, _QUADRATURE_STEP, dtype=torch.float64, device=alpha.device)
    x = math.sqrt(2.0) * torch.sinh(u)
    weight = math.sqrt(2.0) * torch.cosh(u) * 2.0 * _QUADRATURE_STEP  # both sides of the even integrand
    weight[0] *= 0.5
    density = torch.exp(-general_loss(x, alpha.double()[..., None], 1.0))  # (..., nodes)
    return (density * weight).sum(dim=-1).log().to(alpha.dtype)


class AdaptiveLoss(nn.Module):
    """Negative log-likelihood of errors under Barron's density, its alpha in (0, 2) and its scale c > 0 learned.

    One alpha and c for all components of an error, or (`components` > 1) for each its own. Without the partition
    function nothing would keep the loss from calling every error an outlier.
    """

    def __init__(self, c: float, components: int = 1) -> None:
        super().__init__()
        self.alpha_logit = nn.Parameter(torch.zeros(components))  # alpha = 1
        self.log_c = nn.Parameter(torch.full((components,), math.log(c)))

    @property
    def alpha(self) -> Tensor:
        """Shape, (components,)."""
        return 2.0 * torch.sigmoid(self.alpha_logit)

    @property
    def c(self) -> Tensor:
        """Scale in the unit of the errors, (components,)."""
        return self.log_c.exp() + _MIN_C

    def forward(self, error: Tensor) -> Tensor:
        """Errors (..., D) -> mean over samples of the sum over components."""
        loss = general_loss(error, self.alpha, self.c) + self.c.log() + log_partition(self.alpha)
        return loss.sum(dim=-1).mean()


class FixedLoss(nn.Module):
    """Barron's loss with constant alpha and c."""

    def __init__(self, alpha: float, c: float) -> None:
        super().__init__()
        self.alpha = alpha
        self.c = c

    def forward(self, error: Tensor) -> Tensor:
        """Errors (..., D) -> mean over samples of the sum over components."""
        return general_loss(error, self.alpha, self.c).sum(dim=-1).mean()


class PoseLoss(nn.Module):
    """L_total = L(p - p') + lambda L(phi - phi'), eq. 2.

    `alpha` None learns alpha and c, starting from alpha = 1 and the given c; a number fixes both. Eq. 2 has one L, so
    by default translation and rotation share alpha and c. With `separate` each of the six components learns its own
    (those of rotation from a tenth of c on); that balances them already, so choose lambda near 1 with it.
    """

    def __init__(
        self, rotation_weight: float = 100.0, alpha: float | None = None, c: float = 0.05, separate: bool = False
    ) -> None:
        super().__init__()
        self.rotation_weight = rotation_weight
        self.translation: nn.Module = AdaptiveLoss(c, 3 if separate else 1) if alpha is None else FixedLoss(alpha, c)
        self.rotation: nn.Module = AdaptiveLoss(0.1 * c, 3) if alpha is None and separate else self.translation

    def forward(self, motion: Tensor, truth: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Two (..., 6) [m, rad] -> total, L of translation, L of rotation; scalars."""
        error = motion.float() - truth.float()
        translation: Tensor = self.translation(error[..., :3])
        rotation: Tensor = self.rotation(error[..., 3:])
        return translation + self.rotation_weight * rotation, translation, rotation


def parameter_groups(network: nn.Module, loss: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Parameter groups for an optimiser: weight decay on the network, none on alpha and c of the loss."""
    groups = [
        {'params': list(network.parameters()), 'weight_decay': weight_decay},
        {'params': list(loss.parameters()), 'weight_decay': 0.0},
    ]
    return [group for group in groups if group['params']]


def _expm1_ratio(t: Tensor) -> Tensor:
    """(e^t - 1) / t, 1 at t = 0."""
    small = t.abs() < _SMALL
    safe = torch.where(small, torch.ones_like(t), t)
    series = 1 + t / 2 * (1 + t / 3 * (1 + t / 4 * (1 + t / 5 * (1 + t / 6 * (1 + t / 7)))))
    return torch.where(small, series, torch.expm1(safe) / safe)
