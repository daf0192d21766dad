"""Commands that run into a full disk, or a limit on file sizes: one line, and nothing half."""

from __future__ import annotations

import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from samples.command_line import COMMAND, complaint
from samples.road_bags import write_road


@pytest.fixture(scope='module')
def road(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bag of 20 images. Read it only."""
    return write_road(tmp_path_factory.mktemp('full') / 'road', 20)


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """No file may become larger [bytes], as `ulimit -f` does it; Python ignores the signal."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize('size', [100, 2000, 5000, 25_000])
@pytest.mark.parametrize('command', ['prepare', 'run'])
def test_a_file_that_may_not_grow_is_one_line_and_nothing_is_left_half(road, tmp_path, capsys, command, size):
    options = ['--size', '64x32'] if command == 'prepare' else []
    with largest_file(size):
        line = complaint(capsys, command, road, '--out', tmp_path / 'out', *options)
    assert 'cannot be written: File too large' in line
    assert not list(tmp_path.rglob('*.partial'))
    assert not list(tmp_path.rglob('meta.json'))


@pytest.mark.skipif(not Path('/dev/full').exists(), reason='this system has no /dev/full')
def test_standard_output_on_a_full_disk_is_one_line():
    with Path('/dev/full').open('w') as full:
        done = subprocess.run(
            [*COMMAND, 'describe', '--variant', 'ca_a'], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert (done.returncode, done.stderr) == (1, 'atvio describe: No space left on device\n'), sys.version
