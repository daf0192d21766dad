"""What corners say of how far the robot has come at least: a bound that no vehicle ahead, which looks unmoved, gets by.

How much parallax a way of one camera height gives depends on how far things are, which changes within a second or so,
not from one pair to the next. While the speed is clear it is learnt; then a way so much shorter than corners tell is
not believed.
"""

from __future__ import annotations

import math

# Of the way that corners tell: what is near may be left behind within a second. On drawn and real drives the way was
# less than this share in less than a pair of a thousand.
_SHARE = 0.35
_LEARNT_S = 1.0
_TRUSTED_S = 2.0  # for how long, after the speed was last clear
_CLEAR = 0.1  # sigma of the speed, as a share of it
_LEAST_RAD, _LEAST_SHIFT_H = 0.002, 0.1  # that is learnt from


class ParallaxScale:
    """Fed with every pair in order."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Things may be at any distance again."""
        self._log: float | None = None  # of the parallax [rad] for a way of one camera height
        self._unclear_s = 0.0

    def least(self, parallax: float) -> float:
        """Least way [camera heights] at a median parallax [rad] of the corners; 0: they say nothing."""
        if self._log is None:
            return 0.0
        return _SHARE * math.exp(-self._unclear_s / _TRUSTED_S) * parallax / math.exp(self._log)

    def learn(self, parallax: float, way: float, sigma: float, interval_s: float) -> None:
        """Take what a pair showed: the way and its sigma [camera heights]."""
        if parallax < _LEAST_RAD or way < _LEAST_SHIFT_H or sigma > _CLEAR * way:
            self._unclear_s += interval_s
            return
        seen = math.log(parallax / way)
        share = 1.0 if self._log is None else min(1.0, interval_s / _LEARNT_S)
        self._log = seen if self._log is None else self._log + share * (seen - self._log)
        self._unclear_s = 0.0
