"""What is wrong with a recording is found before odometry is trusted, with what to do; a good one passes."""

from __future__ import annotations

import json

import numpy as np
import pytest
from samples.street import CAMERA, Street
from scipy.spatial.transform import Rotation

from atvio_ros.cli.main import main
from atvio_ros.evaluation.bag_check import calibration_findings
from atvio_ros.evaluation.findings import Finding
from atvio_ros.evaluation.stream_checks import image_findings, imu_findings, vehicle_findings
from atvio_ros.rig.combine import combine
from atvio_ros.rig.rig import RigPart

MS = 1_000_000


def by_name(findings: list[Finding]) -> dict[str, Finding]:
    return {finding.name: finding for finding in findings}


def bad(findings: list[Finding]) -> dict[str, str]:
    """{name: status} of what is not ok; each must say what to do."""
    assert all(finding.advice for finding in findings if finding.status != 'ok')
    return {finding.name: finding.status for finding in findings if finding.status != 'ok'}


def imu(count: int = 3000, noise: float = 0.02, force=(0.0, 0.0, 9.81), turning: float = 0.1):
    """Stamps and readings at 100 Hz of a vehicle that turns now and then."""
    rng = np.random.default_rng(0)
    readings = rng.normal(0.0, 1.0, (count, 6)) * ([noise / 20] * 3 + [noise] * 3) + [0.0, 0.0, 0.0, *force]
    readings[:, 2] += turning * np.sin(np.arange(count) / 200.0)
    return np.arange(count) * 10 * MS, readings


def test_good_streams_pass():
    assert bad(image_findings(np.arange(100) * 100 * MS, {(416, 128)}, 0, 0)) == {}
    assert bad([*imu_findings(*imu(), np.eye(3)), *vehicle_findings(*imu(), np.eye(3))]) == {}


def test_image_stamps_gaps_jitter_sizes_and_black_images_are_found():
    rng = np.random.default_rng(0)
    jittery = np.cumsum(100 * MS + rng.integers(-60, 60, 100) * MS)
    assert bad(image_findings(jittery, {(416, 128)}, 0, 0)) == {'images: jitter': 'warning'}
    hole = np.arange(100) * 100 * MS + (np.arange(100) > 50) * 5000 * MS
    assert bad(image_findings(hole, {(416, 128)}, 0, 0)) == {'images: gaps': 'error'}
    back = np.arange(100) * 100 * MS
    back[50] = back[48]
    assert 'images: stamps' in bad(image_findings(back, {(416, 128)}, 0, 0))
    assert bad(image_findings(np.arange(30) * 450 * MS, {(416, 128)}, 0, 0)) == {'images: rate': 'warning'}
    found = bad(image_findings(np.arange(100) * 100 * MS, {(416, 128), (64, 48)}, 50, 2))
    assert found == {'image size': 'error', 'image content': 'error'}
    assert bad(image_findings(np.arange(3), {(4, 4)}, 0, 0)) == {'images': 'error'}


@pytest.mark.parametrize(
    ('change', 'name', 'status'),
    [
        (lambda s, r: (s, r * [1, 1, 1, 0.1, 0.1, 0.1]), 'imu: gravity', 'error'),
        (lambda s, r: (s, r - [0, 0, 0, 0, 0, 9.81]), 'imu: gravity', 'error'),
        (lambda s, r: (s, r[:, [0, 1, 2, 5, 4, 3]]), 'imu: axes', 'error'),
        (lambda s, r: (s, r * [1, 1, 1, 1, 1, -1]), 'imu: axes', 'error'),
        (lambda s, r: (s, r * [57.3 * 20, 57.3 * 20, 57.3 * 20, 1, 1, 1]), 'imu: gyro units', 'error'),
        (lambda s, r: (s * 5, r), 'imu: rate', 'warning'),
        (lambda s, r: (s + (np.arange(len(s)) > 900) * 300 * MS, r), 'imu: gaps', 'warning'),
        (lambda s, r: (s, np.where((np.arange(len(s)) == 7)[:, None], np.nan, r)), 'imu values', 'warning'),
        (lambda s, r: (s, np.round(r, 0)), 'imu: noise', 'warning'),
        (lambda s, r: (s, np.clip(r * [1, 1, 60, 1, 1, 1], -4.36, 4.36)), 'imu: range', 'error'),
        (lambda s, r: (s, r + np.random.default_rng(1).normal(0, 3.0, r.shape)), 'imu: noise', 'error'),
    ],
)  # fmt: skip
def test_what_is_wrong_with_an_imu_is_found(change, name, status):
    with np.errstate(invalid='ignore'):
        findings = imu_findings(*change(*imu()), np.eye(3))
    assert by_name(findings)[name].status == status
    assert by_name(findings)[name].advice


def test_the_mounting_counts_for_the_axes():
    stamps_ns, readings = imu(force=(9.81, 0.0, 0.0))
    x_up = np.array([[0.0, 0.0, -1.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]])
    assert by_name(imu_findings(stamps_ns, readings, x_up))['imu: axes'].status == 'ok'


def test_a_drone_and_a_hand_are_no_vehicles():
    stamps_ns, readings = imu()
    t = stamps_ns / 1e9
    tipping = np.stack((np.zeros(len(t)), 0.6 * np.sin(0.3 * t), 0.6 * np.sin(0.23 * t)), axis=1)
    readings[:, 3:] = Rotation.from_euler('zyx', tipping).apply(readings[:, 3:])
    readings[:, 0] += 0.7 * np.sin(3.0 * t)
    found = bad(vehicle_findings(stamps_ns, readings, np.eye(3)))
    assert found == {'vehicle: tilt': 'error', 'vehicle: rolling': 'error'}


def test_what_nobody_says_of_the_robot_is_named():
    found = bad(calibration_findings(combine([])))
    assert found['camera height'] == found['camera'] == 'error'
    assert found['base_to_camera'] == found['base_to_imu'] == 'warning'
    up = Street(tilt_deg=-25.0).T_base_camera
    part = RigPart('test', camera=CAMERA.model, camera_height=1.0, T_base_camera=up, T_base_imu=np.eye(4))
    found = bad(calibration_findings(combine([part])))
    assert found == {'road in view': 'error'}


def findings_of(capsys, *words: str) -> tuple[int, dict[str, Finding]]:
    try:
        status = main(['check', *words, '--json'])
    except SystemExit as exit:
        status = int(exit.code or 0)
    rows = json.loads(capsys.readouterr().out)
    assert all(set(row) == {'name', 'status', 'text', 'advice'} for row in rows)
    return status, by_name([Finding(**row) for row in rows])


def test_a_good_bag_passes(tmp_path, capsys):
    bag = Street(turning=0.12, gyro_lag_ms=0).write(tmp_path / 'good')
    rig = tmp_path / 'rig.yaml'
    rig.write_text('camera_height: 1.2\n')
    status, found = findings_of(capsys, str(bag), '--rig', str(rig))
    assert {name for name, finding in found.items() if finding.status == 'error'} == set()
    assert status == 0
    assert found['imu and camera'].status == found['imu mounting'].status == found['gyro lag'].status == 'ok'
    assert found['direction of travel'].status == 'ok'


def test_a_bag_of_a_robot_whose_imu_sits_otherwise_than_said_fails(tmp_path, capsys):
    turned = Rotation.from_euler('z', 90.0, degrees=True).as_matrix()
    bag = Street(turning=0.12, gyro_lag_ms=90, R_base_imu=turned).write(tmp_path / 'turned')
    status, found = findings_of(capsys, str(bag))
    assert status == 1
    assert found['imu mounting'].status == 'error'
    assert 'calibrate-rig' in found['imu mounting'].advice
    assert found['gyro lag'].status == 'warning'
    assert found['camera height'].status == 'error'


def test_the_table_says_how_many(tmp_path, capsys):
    bag = Street(seconds=4.0).write(tmp_path / 'short', truth=False)
    with pytest.raises(SystemExit):
        main(['check', str(bag)])
    said = capsys.readouterr().out
    assert 'what to do' in said
    assert 'errors' in said.splitlines()[-1]


@pytest.mark.parametrize(
    ('words', 'message'),
    [
        ((), 'Give either a BAG or --live'),
        (('bag', '--live'), 'Give either a BAG or --live'),
        (('bag', '--seconds', '3'), '--seconds is for --live'),
        (('bag', '--camera-info-topic', 'camera_info'), '--camera-info-topic is for --live'),
        (('--live', '--seconds', '0'), '--seconds must be from 1 to 600'),
    ],
)
def test_a_bag_and_a_running_robot_exclude_each_other(words, message, capsys):
    assert main(['check', *words]) == 1
    said = capsys.readouterr().err
    assert message in said
    assert len(said.splitlines()) == 1
