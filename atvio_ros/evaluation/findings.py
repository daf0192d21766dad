"""Findings of a check: what was looked at, how it is, and what to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Status = Literal['ok', 'warning', 'error']


@dataclass(frozen=True)
class Finding:
    """One row of the table."""

    name: str
    status: Status
    text: str  # what was found
    advice: str = ''  # what to do; '' where all is well


def ok(name: str, text: str) -> Finding:
    """All is well."""
    return Finding(name, 'ok', text)


def warning(name: str, text: str, advice: str) -> Finding:
    """Odometry works, but worse than it could."""
    return Finding(name, 'warning', text, advice)


def error(name: str, text: str, advice: str) -> Finding:
    """Odometry cannot be trusted."""
    return Finding(name, 'error', text, advice)


def graded(name: str, text: str, value: float, limits: tuple[float, float], advice: str) -> Finding:
    """A finding on a value that is better the smaller: a warning beyond the first limit, an error beyond the second."""
    if value > limits[1]:
        return error(name, text, advice)
    return warning(name, text, advice) if value > limits[0] else ok(name, text)
