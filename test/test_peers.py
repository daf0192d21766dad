"""`atvio benchmark --peers`: what is compared is what it says, whatever the machine's speed."""

import dataclasses
import json
import os
from concurrent.futures import Future

import cv2
import numpy as np
import pytest
import torch

from atvio_ros.cli import benchmark
from atvio_ros.cli.main import main
from atvio_ros.errors import SettingsError
from atvio_ros.network.checkpoint import untrained_model
from atvio_ros.network.description import blank_pair, count_parameters, describe
from atvio_ros.network.peers import count_macs, flownet_s, resnet18
from atvio_ros.network.speed import Speed
from atvio_ros.odometry import pair_torch
from atvio_ros.odometry.peer_drive import IMAGES, WAY_M, draw_drive
from atvio_ros.odometry.peer_speed import Comparison, PeerSpeed
from atvio_ros.odometry.peers import PEERS, classic_step, make_peer, odometry_step
from atvio_ros.odometry.road_estimator import RoadEstimator


@pytest.fixture(scope='module')
def drive():
    return draw_drive()


def test_flownet_s_has_the_layers_of_the_published_table():
    channels = [6, 64, 128, 256, 256, 512, 512, 512, 512, 1024]  # conv1 to conv6 of DeepVO's Table I
    kernels = [7, 5, 5, 3, 3, 3, 3, 3, 3]
    weights = sum(a * b * k * k for a, b, k in zip(channels, channels[1:], kernels, strict=False))
    assert count_parameters(flownet_s()) == weights + 2 * sum(channels[1:])  # and two a channel of the norms
    assert flownet_s().eval()(torch.zeros(1, 6, 64, 128)).shape == (1, 1024, 1, 2)


def test_resnet18_has_the_parameters_of_torchvisions_without_its_last_layer():
    published = 11_689_512 - (512 * 1000 + 1000)
    assert count_parameters(resnet18()) == published + 3 * 64 * 7 * 7  # three channels more at the entrance
    assert resnet18().eval()(torch.zeros(1, 6, 64, 128)).shape == (1, 512, 2, 4)


def test_macs_are_those_that_describe_counts():
    model = untrained_model('ca_a')
    assert count_macs(lambda: model(*blank_pair(model))) == pytest.approx(describe(model)['macs'], rel=0.02)


def test_the_drive_is_seamless_and_the_default_estimator_measures_it(drive):
    """Over a seam as well: what is timed is odometry in motion, not at rest and not lost."""
    step = odometry_step(RoadEstimator(), drive)
    x = np.array([step()[0, 3] for _ in range(IMAGES + 8)])
    ways = np.diff(x)[10:]
    assert ways == pytest.approx(WAY_M, rel=0.05)


def test_the_classic_finds_the_direction(drive):
    step = classic_step(drive)
    directions = np.array([step() for _ in range(IMAGES + 1)])
    assert np.median(directions[:, 2]) > 0.99  # of unit vectors in optical axes: ahead


@pytest.mark.parametrize('name', ['road_network', 'ca_a'])
def test_our_networks_answer_every_frame(name, drive):
    peer = make_peer(name, drive)
    peer.step()
    poses = [peer.step() for _ in range(3)]
    assert all(np.isfinite(pose).all() for pose in poses)
    assert not np.allclose(poses[-1], np.eye(4))
    assert peer.parameters > 0
    assert peer.count_macs() > 0


def test_json_has_a_row_a_peer(capsys):
    words = ['benchmark', '--peers', 'road_estimator', 'resnet18_416x128', '--seconds', '0.01', '--json']
    main(words)
    result = json.loads(capsys.readouterr().out)
    assert result['peak_macs_per_cpu_s'] > 0
    road, resnet = result['rows']
    assert (road['name'], resnet['name']) == ('road_estimator', 'resnet18_416x128')
    assert road['parameters'] == road['macs'] == 0
    assert road['peak_share'] is None
    assert resnet['parameters'] == count_parameters(resnet18())
    assert resnet['peak_share'] > 0
    for row in result['rows']:
        assert 0 < row['latency_ms_p50'] <= row['latency_ms_p99']
        assert row['frames_per_second'] > 0
        assert row['cpu_s_per_frame'] > 0
        if os.access('/proc/self/clear_refs', os.W_OK):
            assert row['memory_growth_mb'] > 0
    assert resnet['memory_growth_mb'] is None or resnet['memory_growth_mb'] > 4e-6 * resnet['parameters']


def test_the_tables_fit_a_narrow_terminal(capsys, monkeypatch):
    monkeypatch.setenv('COLUMNS', '80')
    row = {'covers': 'visual encoder alone', 'frames_per_second': 1234.5, 'latency_ms_p50': 1234.5}
    rest = {'latency_ms_p99': 1234.5, 'cpu_s_per_frame': 1.2345, 'memory_growth_mb': 1234.0, 'parameters': 14_616_320}
    rows = [PeerSpeed(name=name, macs=7_746_900_000, peak_share=0.743, **row, **rest) for name in PEERS]
    benchmark.print_peers(Comparison(rows, 9e10))
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    for name in PEERS:
        assert sum(line.lstrip().startswith(name) for line in lines) == 2
    assert sum('14,616,320' in line and '74.3%' in line for line in lines) == len(PEERS)


@pytest.mark.parametrize(
    ('words', 'advice'),
    [
        (['--peers', 'vins'], 'Choose from'),
        (['--peers', '--variant', 'ca_a'], 'Give one'),
        (['--peers', '--device', 'cuda'], 'must be cpu'),
    ],
)
def test_what_cannot_be_compared_is_refused_before_anything_is_measured(words, advice, capsys):
    assert main(['benchmark', *words]) != 0
    assert advice in capsys.readouterr().err


def test_an_unknown_peer_is_named(drive):
    with pytest.raises(SettingsError, match='vins'):
        make_peer('vins', drive)


class Pool:
    """Stands in for a process: whatever is asked of it has the same answer."""

    def __init__(self, answer: object) -> None:
        self._answer = answer

    def __enter__(self):
        return self

    def __exit__(self, *_: object) -> None: ...

    def submit(self, *_: object) -> Future:
        done: Future = Future()
        done.set_result(self._answer)
        return done


def test_the_picture_shows_a_bar_for_each_and_needs_the_peers(tmp_path, monkeypatch, capsys):
    row = PeerSpeed('road_estimator', 'whole odometry', 100.0, 9.0, 12.0, 0.009, 20.0, 0, 0, None)
    compared = Comparison([row, dataclasses.replace(row, name='flownet_s', covers='visual encoder alone')], 8e10)

    monkeypatch.setattr(benchmark, 'ProcessPoolExecutor', lambda *_, **__: Pool(compared))
    picture = tmp_path / 'peers.png'
    assert main(['benchmark', '--peers', '--plot', str(picture)]) == 0
    assert cv2.imread(str(picture)).shape[1] > 800
    for words in (['--plot', str(picture)], ['--peers', '--plot', str(tmp_path / 'peers.jpg')]):
        assert main(['benchmark', *words]) == 1
        assert 'Give both' in capsys.readouterr().err


def test_figures_of_a_gpu_stand_beside_those_of_the_paper(monkeypatch, capsys):
    """No GPU is needed: the measurement is replaced."""
    speed = Speed('ca_a', 300.0, 3.3, 4.0, 1, 100.0)
    monkeypatch.setattr(benchmark, 'ProcessPoolExecutor', lambda *_, **__: Pool(speed))
    for device, told in (('cuda', True), ('cpu', False)):
        monkeypatch.setattr(pair_torch, 'choose_device', lambda _, device=device: device)
        assert main(['benchmark', '--variant', 'ca_a', '--device', device]) == 0
        assert ('235 frames/s' in capsys.readouterr().out) == told
