"""What became of a node under everything at once, and what of it is not as it must be."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

RECOVERY_LIMIT_S = 2.0
MOST_GROWTH_MB = 10.0
LOG_LINE = re.compile(r'\[\w+\] \[(\d+\.\d+)\] \[[^\]]*\]: (.*)')


@dataclass
class Chaos:
    """What became of one run."""

    minutes: float
    seed: int
    faults: dict[str, int] = field(default_factory=dict)  # how often each
    images_sent: int = 0
    imu_sent: int = 0
    sent_unheard: int = 0  # at most: while it was deactivated or coming back, and by second sources, which nobody knew
    images_lost: int = 0  # on their way, as the node says
    imu_lost: int = 0
    images_received: int = 0
    imu_received: int = 0
    processed: int = 0
    images_dropped: int = 0
    dropped: dict[str, int] = field(default_factory=dict)
    odometry: int = 0
    impossible: int = 0  # odometry that is not finite, or whose covariance has a negative direction
    recoveries_s: list[float] = field(default_factory=list)  # from the end of the last of some faults to odometry
    memory_mb: list[float] = field(default_factory=list)  # every second
    repeated_lines: list[str] = field(default_factory=list)  # of the log, within a second; and tracebacks
    status: int | None = None  # of the process at its end

    @property
    def balanced(self) -> bool:
        """Every image received is processed or dropped for a reason, and what was not received was lost or unheard."""
        missing = self.images_sent + self.imu_sent - self.images_received - self.imu_received
        missing -= self.images_lost + self.imu_lost
        return self.images_received == self.processed + self.images_dropped and 0 <= missing <= self.sent_unheard

    @property
    def growth_mb(self) -> float:
        """Memory at the end (its last fifth) less that after the first fifth (its second one)."""
        fifths = np.array_split(np.array(self.memory_mb), 5)
        return float(np.median(fifths[-1]) - np.median(fifths[1])) if len(self.memory_mb) >= 5 else float('nan')

    @property
    def failures(self) -> list[str]:
        """What is not as it must be."""
        late = [seconds for seconds in self.recoveries_s if seconds > RECOVERY_LIMIT_S]
        found = {
            'the books do not balance': not self.balanced,
            f'odometry later than {RECOVERY_LIMIT_S:g} s after the last fault: {late}': late,
            f'{self.impossible} impossible odometry messages': self.impossible,
            f'log: {self.repeated_lines[:3]}': self.repeated_lines,
            f'memory grew by {self.growth_mb:.1f} MB': self.growth_mb > MOST_GROWTH_MB,
            f'the node ended with status {self.status}': self.status != 0,
        }
        return [text for text, is_so in found.items() if is_so]

    def lines(self) -> list[str]:
        """All of it for people; what is not as it must be comes last."""
        said: list[str] = []
        said.append(f'{sum(self.faults.values())} faults of {len(self.faults)} kinds in {self.minutes:g} minutes')
        said.append(
            f'images: {self.images_sent} sent, {self.images_lost} lost, {self.images_received} received, '
            f'{self.processed} processed, {self.images_dropped} dropped'
        )
        said.append(f'IMU readings: {self.imu_sent} sent, {self.imu_lost} lost, {self.imu_received} received')
        said.append(f'sent while deactivated: {self.sent_unheard}')
        said.append('dropped: ' + ', '.join(f'{reason} {count}' for reason, count in sorted(self.dropped.items())))
        if self.recoveries_s:
            p50, most = np.median(self.recoveries_s), max(self.recoveries_s)
            said.append(
                f'odometry after the last fault: {len(self.recoveries_s)} times, median {p50:.2f} s, at most '
                f'{most:.2f} s, at the end {self.recoveries_s[-1]:.2f} s'
            )
        said.append(f'memory: {self.memory_mb[0]:.0f} MB, after the first fifth {self.growth_mb:+.1f} MB')
        return [*said, *self.failures]


def repeated(lines: list[str]) -> list[str]:
    """Lines of a log that come twice within a second but for their numbers, and those of tracebacks."""
    found, said_s = [], defaultdict[str, list[float]](list)
    for line in lines:
        if match := LOG_LINE.match(line):
            said_s[re.sub(r'[\d.]+', '#', match[2])].append(float(match[1]))
        elif 'Traceback' in line or 'Error' in line:
            found.append(line)
    return found + [text for text, at_s in said_s.items() if any(b - a < 1.0 for a, b in pairwise(at_s))]
