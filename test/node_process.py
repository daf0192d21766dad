"""atvio_node, or a sample of it, in a process of its own: started, listened to, stopped."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parent.parent
NODE = 'atvio_ros.ros.node'
# Nobody waits for so long unless something is broken: a node starts in 2 s and ends in 0.5 s on an idle machine.
START_LIMIT_S = 120.0
STOP_LIMIT_S = 60.0

# Those that ROS 2 may use on Linux, rarely used ones first.
_DOMAINS = deque([*range(215, 233), *range(1, 102)])
_claimed: dict[str, socket.socket] = {}


def fresh_environment() -> dict[str, str]:
    """Environment of a ROS graph that nothing else on this machine is in, whoever else runs these tests.

    It stays ours until `release` or the end of this process.
    """
    path = os.pathsep.join(filter(None, (str(REPOSITORY / 'test'), os.environ.get('PYTHONPATH'))))
    return {
        **os.environ,
        'PYTHONPATH': path,
        'ROS_DOMAIN_ID': _claim_domain(),
        'ROS_AUTOMATIC_DISCOVERY_RANGE': 'LOCALHOST',
    }


def release(environment: dict[str, str]) -> None:
    """Give the domain back; nothing of ours may be left in it."""
    _claimed.pop(environment['ROS_DOMAIN_ID']).close()


def _claim_domain() -> str:
    for _ in range(len(_DOMAINS)):
        domain = str(_DOMAINS[0])
        _DOMAINS.rotate(-1)
        claim = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            claim.bind(f'\0atvio_ros test domain {domain}')  # no file: it is free again when its owner has ended
        except OSError:
            claim.close()
        else:
            _claimed[domain] = claim
            return domain
    raise RuntimeError('All ROS domains are in use by tests that run on this machine.')


def ros_arguments(parameters: dict[str, Any], namespace: str = '') -> list[str]:
    """Command-line words that set parameters (True, 0.5, 'cpu' or a string that ROS is to parse) and a namespace."""
    words = ['--ros-args']
    for name, value in parameters.items():
        words += ['-p', f'{name}:={str(value).lower() if isinstance(value, bool) else value}']
    return [*words, '-r', f'__ns:={namespace}'] if namespace else words


class NodeProcess:
    """A node that runs for the length of a `with` block. `program` is a module: atvio_node, or one of samples.nodes."""

    def __init__(self, parameters: dict[str, Any], program: str = NODE, namespace: str = '') -> None:
        self.environment = fresh_environment()
        self.lines: list[str] = []  # of its output so far
        self._process = subprocess.Popen(
            [sys.executable, '-m', program, *ros_arguments(parameters, namespace)],
            cwd=REPOSITORY,
            env=self.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._reader = threading.Thread(target=self._listen, daemon=True)
        self._reader.start()

    def __enter__(self) -> NodeProcess:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self.wait()
        self.end_input()
        release(self.environment)

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    @property
    def domain(self) -> int:
        """Its ROS domain."""
        return int(self.environment['ROS_DOMAIN_ID'])

    @property
    def output(self) -> str:
        """All that it has said so far."""
        return ''.join(self.lines)

    def wait_for_line(self, part: str) -> None:
        """Wait until it says a line with these words."""
        deadline_s = time.monotonic() + START_LIMIT_S
        while not any(part in line for line in self.lines):
            assert self._process.poll() is None, f'the node ended without saying {part!r}: {self.output}'
            assert time.monotonic() < deadline_s, f'the node does not say {part!r}: {self.output}'
            time.sleep(0.01)

    def end_input(self) -> None:
        """End its standard input, which samples of it wait for."""
        assert self._process.stdin is not None
        self._process.stdin.close()

    def wait(self, limit_s: float = START_LIMIT_S) -> int:
        """Its exit status, when it ends of itself; it is killed at the limit."""
        try:
            self._process.wait(limit_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            raise
        self._reader.join(STOP_LIMIT_S)
        return self._process.returncode

    def send(self, which: signal.Signals) -> None:
        """Send a signal, and wait for nothing."""
        self._process.send_signal(which)

    def stop(self, how: signal.Signals = signal.SIGINT) -> int:
        """Its exit status after a signal; once it has ended, the same again."""
        self._process.send_signal(how)
        return self.wait(STOP_LIMIT_S)

    def _listen(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as output:
            for line in output:
                self.lines.append(line)
