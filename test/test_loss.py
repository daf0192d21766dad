"""Barron's loss: the special cases of his paper, its limits, gradients, and a partition function checked by scipy."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy import integrate, special

from atvio_ros.training.loss import AdaptiveLoss, PoseLoss, general_loss, log_partition, parameter_groups

X = torch.tensor([-30.0, -2.0, -0.5, -1e-3, 0.0, 1e-6, 0.1, 1.0, 5.0, 100.0], dtype=torch.float64)
INF = math.inf
SPECIAL_CASES = {
    2.0: lambda s: s / 2,  # L2
    1.0: lambda s: torch.sqrt(s + 1) - 1,  # Charbonnier
    0.0: lambda s: torch.log1p(s / 2),  # Cauchy
    -2.0: lambda s: 2 * s / (s + 4),  # Geman-McClure
    -INF: lambda s: 1 - torch.exp(-s / 2),  # Welsch
}


@pytest.mark.parametrize('alpha', SPECIAL_CASES)
@pytest.mark.parametrize('c', [1.0, 0.05])
def test_named_losses_are_special_cases(alpha, c):
    expected = SPECIAL_CASES[alpha]((X / c) ** 2)
    torch.testing.assert_close(general_loss(X, alpha, c), expected, rtol=1e-9, atol=1e-15)


def test_plus_infinity_is_the_exponential_loss():
    x = X[X.abs() <= 5]
    torch.testing.assert_close(general_loss(x, INF, 1.0), torch.expm1(x**2 / 2), rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize('alpha', [-7.3, -1.0, 0.3, 1.4, 1.95, 2.5, 6.0])
def test_between_the_special_cases_it_is_equation_1(alpha):
    x = X[X.abs() <= 5]
    b = abs(2.0 - alpha)
    expected = b / alpha * ((x**2 / b + 1) ** (alpha / 2) - 1)
    torch.testing.assert_close(general_loss(x, alpha, 1.0), expected, rtol=1e-9, atol=1e-14)


@pytest.mark.parametrize(
    ('alpha', 'nearby'),
    [(0.0, 1e-7), (0.0, -1e-7), (2.0, 2 - 1e-7), (2.0, 2 + 1e-7), (INF, 1e9), (-INF, -1e9)],
)
def test_limits_are_approached_continuously(alpha, nearby):
    x = X[X.abs() <= 5]
    torch.testing.assert_close(general_loss(x, nearby, 1.0), general_loss(x, alpha, 1.0), rtol=1e-5, atol=1e-12)


@pytest.mark.parametrize('dtype', [torch.float32, torch.float64])
@pytest.mark.parametrize(
    'alpha', [-INF, -1e6, -2.0, -1e-9, 0.0, 1e-9, 1e-3, 1.0, 1.999999, 2.0, 2.000001, 30.0, 1e6, INF]
)
def test_values_and_gradients_are_finite_everywhere(alpha, dtype):
    x = X.to(dtype, copy=True).requires_grad_()
    a = torch.full_like(x, alpha).requires_grad_()
    c = torch.full_like(x, 0.5).requires_grad_()
    loss = general_loss(x, a, c)
    loss.sum().backward()
    assert loss.isfinite().all()
    assert (loss >= 0).all()
    for tensor in (x, a, c):
        assert tensor.grad.isfinite().all()
    assert x.grad[4] == 0  # flat at x = 0


@pytest.mark.parametrize('alpha', [-3.0, -1e-3, 0.0, 1e-3, 0.02, 0.7, 1.0, 1.9, 2.3, 4.0])
def test_gradients_agree_with_finite_differences(alpha):
    x = torch.tensor([-3.0, -0.4, 1e-3, 0.15, 2.0], dtype=torch.float64).requires_grad_()
    a = torch.full_like(x, alpha).requires_grad_()
    c = torch.full_like(x, 0.8).requires_grad_()
    assert torch.autograd.gradcheck(general_loss, (x, a, c))


# ---- partition function


@pytest.mark.parametrize('alpha', [0.0, 1e-3, 0.05, 0.4, 1.0, 1.6, 1.9, 1.99, 1.9999, 2.0])
def test_partition_function_is_scipys_integral_of_the_density(alpha):
    def density(t):
        """exp(-rho) over x = tan(t), written afresh from equation 1."""
        x = math.tan(t)
        if alpha == 0.0:
            rho = math.log1p(x * x / 2)
        elif alpha == 2.0:
            rho = x * x / 2
        else:
            b = 2.0 - alpha
            rho = b / alpha * ((x * x / b + 1.0) ** (alpha / 2) - 1.0)
        return math.exp(-rho) * (1.0 + x * x)

    edges = [0.0, 0.1, 0.5, 1.0, 1.4, 1.55, math.pi / 2 - 1e-9]
    parts = [integrate.quad(density, a, b, epsrel=1e-11, limit=200)[0] for a, b in pairwise(edges)]
    ours = log_partition(torch.tensor(alpha, dtype=torch.float64)).exp().item()
    assert ours == pytest.approx(2.0 * sum(parts), rel=1e-7)


def test_partition_function_has_its_closed_forms():
    alpha = torch.tensor([0.0, 1.0, 2.0], dtype=torch.float64)
    closed = [math.pi * math.sqrt(2), 2 * math.e * special.k1(1.0), math.sqrt(2 * math.pi)]
    np.testing.assert_allclose(log_partition(alpha).exp().numpy(), closed, rtol=1e-12)


def test_partition_function_has_the_gradient_of_its_integral():
    alpha = torch.tensor([0.01, 0.5, 1.0, 1.5, 1.95], dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(log_partition, alpha)


# ---- learning alpha and c


def fitted(errors):
    loss = AdaptiveLoss(c=1.0)
    optimizer = torch.optim.Adam(loss.parameters(), lr=0.1)
    for _ in range(120):
        optimizer.zero_grad()
        value = loss(errors[:, None])
        value.backward()
        optimizer.step()
    return loss.alpha.item(), loss.c.item(), value.item()


def test_learned_shape_and_scale_are_those_of_the_errors():
    quantiles = (torch.arange(500) + 0.5) / 500
    normal = torch.distributions.Normal(0.0, 0.2)
    alpha, c, value = fitted(normal.icdf(quantiles))
    assert alpha > 1.7
    assert c == pytest.approx(0.2, rel=0.2)
    assert value == pytest.approx(normal.entropy().item(), abs=0.01)
    cauchy = torch.distributions.Cauchy(0.0, 0.2)
    alpha, c, value = fitted(cauchy.icdf(quantiles))
    assert alpha < 0.15
    assert c == pytest.approx(0.2 / math.sqrt(2), rel=0.2)  # at alpha = 0 the density is a Cauchy of scale sqrt(2) c
    assert value == pytest.approx(cauchy.entropy().item(), abs=0.05)


def test_at_alpha_2_the_loss_is_the_gaussian_log_likelihood():
    loss = AdaptiveLoss(c=0.3)
    with torch.no_grad():
        loss.alpha_logit.fill_(100.0)
    x = torch.linspace(-1, 1, 9)[:, None]
    expected = -torch.distributions.Normal(0.0, 0.3).log_prob(x).mean()
    torch.testing.assert_close(loss(x), expected)


def test_a_perfect_fit_does_not_send_the_loss_to_minus_infinity():
    loss = AdaptiveLoss(c=1e-5)
    with torch.no_grad():
        loss.log_c.fill_(-200.0)
    value = loss(torch.zeros(4, 3))
    value.backward()
    assert value.isfinite()
    assert loss.log_c.grad.isfinite().all()


# ---- the paper's total


def test_total_is_translation_plus_lambda_times_rotation():
    loss = PoseLoss(rotation_weight=100.0, alpha=2.0, c=1.0)
    error = torch.tensor([[0.3, 0.0, -0.4, 0.01, 0.02, 0.0]])
    total, translation, rotation = loss(error, torch.zeros(1, 6))
    assert translation.item() == pytest.approx(0.125)
    assert rotation.item() == pytest.approx(0.00025)
    assert total.item() == pytest.approx(0.125 + 100 * 0.00025)


@pytest.mark.parametrize(('settings', 'learned'), [({}, 2), ({'separate': True}, 12), ({'alpha': 1.0}, 0)])
def test_alpha_and_c_are_learned_without_weight_decay(settings, learned):
    network, loss = torch.nn.Linear(2, 6), PoseLoss(**settings)
    groups = parameter_groups(network, loss, weight_decay=3.5e-4)
    decay = {id(p): group['weight_decay'] for group in groups for p in group['params']}
    assert {decay[id(p)] for p in network.parameters()} == {3.5e-4}
    assert [decay[id(p)] for p in loss.parameters()] == [0.0] * len(list(loss.parameters()))
    assert sum(p.numel() for p in loss.parameters()) == learned
    torch.optim.Adam(groups)
