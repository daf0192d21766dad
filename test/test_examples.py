"""The programs in examples/ run as they stand, and print what they say they print."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from samples.models import write_tiny_model

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = ROOT / 'examples'


def run(name: str, *arguments: object) -> str:
    environment = {**os.environ, 'PYTHONPATH': str(ROOT)}
    command = [sys.executable, str(EXAMPLES / f'{name}.py'), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope='module')
def bag(tmp_path_factory) -> Path:
    """That which one of the examples writes: a drive of one's own goes through all the others."""
    out = tmp_path_factory.mktemp('examples') / 'floor'
    assert run('write_a_drive', out, '--frames', 12).startswith('Wrote 12 images of 320x160')
    return out


def test_a_bag_is_read(bag):
    first, *lines = run('read_a_bag', bag, '--images', 3).splitlines()
    assert first == 'camera 1.0 m over the ground, gyro late by 0.0 s'
    assert len(lines) == 3
    assert lines[-1].endswith('image (160, 320), 10 IMU readings before it')


def test_the_engine_runs(bag):
    lines = run('run_the_engine', bag).splitlines()
    assert len(lines) == 11
    assert float(lines[-1].split(', ')[1].split()[0]) == pytest.approx(2.0, rel=0.1)  # m/s


def test_the_network_is_used(tmp_path):
    model = write_tiny_model(tmp_path / 'tiny.safetensors', inertial_encoder='conv1d', fusion='ca_a')
    lines = run('use_the_network', model, '--pairs', 2).splitlines()
    assert lines[0].startswith('tiny, trained: True')
    assert len(lines) == 3


def test_two_trajectories_are_compared(tmp_path):
    rows = [f'{0.1 * i:.1f} {1.0 * i} 0 0 0 0 0 1' for i in range(150)]
    (tmp_path / 'truth.tum').write_text('\n'.join(rows))
    (tmp_path / 'estimate.tum').write_text('\n'.join(f'{0.1 * i:.1f} {1.02 * i} 0 0 0 0 0 1' for i in range(150)))
    said = run('evaluate_two_trajectories', tmp_path / 'truth.tum', tmp_path / 'estimate.tum')
    assert '150 poses over 149.0 m' in said
    assert 't_rel 2.0' in said


def test_every_example_is_in_the_list_and_tested():
    listed = (EXAMPLES / 'README.md').read_text()
    tested = Path(__file__).read_text()
    programs = sorted(path.stem for path in EXAMPLES.glob('*.py'))
    assert len(programs) == 5
    for name in programs:
        assert f'[`{name}.py`]({name}.py)' in listed
        assert f"run('{name}'" in tested
