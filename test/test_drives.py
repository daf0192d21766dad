"""One Drive for all: what is written as a bag comes back as the same drive, in the order of time."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest
from samples.bags import FRAME_NS, INTRINSICS, MAKE, START_NS, frame_stamps_ns
from samples.drives import assert_same_rig, tiny_drive

from atvio_ros import messages
from atvio_ros.bags.reader import BagReader
from atvio_ros.bags.writer import BagWriter
from atvio_ros.drives.bag_drive import BagDrive
from atvio_ros.drives.drive import Drive
from atvio_ros.drives.write_bag import write_bag
from atvio_ros.errors import BagError, DatasetError
from atvio_ros.geometry import translation
from atvio_ros.rendering import DriveSettings, synthesize
from atvio_ros.rig.rig import Rig
from atvio_ros.types import ImuSample, Trajectory


class Recorder:
    """Stands in for the BagWriter: the kinds of messages in the order they are written, with their stamps."""

    def __init__(self) -> None:
        self.written: list[tuple[str, int]] = []

    def __enter__(self) -> Recorder:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def __getattr__(self, name: str) -> Any:
        return partial(self._write, name.removeprefix('write_'))

    def _write(self, kind: str, first: Any, *rest: object, **more: object) -> None:
        self.written.append((kind, getattr(first, 'stamp_ns', first)))


def written(drive: Drive) -> list[tuple[str, int]]:
    recorder = Recorder()
    write_bag(drive, recorder)
    return recorder.written


def test_a_drive_written_as_a_bag_is_the_same_drive_when_read(tmp_path):
    drive = tiny_drive()
    assert write_bag(drive, BagWriter(tmp_path / 'bag')) == (16, 12)
    with BagReader(tmp_path / 'bag') as reader:
        read = BagDrive(reader)
        for (stamp_ns, image), (read_ns, read_image) in zip(drive.images(), read.images(), strict=True):
            assert stamp_ns == read_ns
            np.testing.assert_array_equal(image, read_image)
        assert read.stamps_ns.tolist() == drive.stamps_ns.tolist()
        assert read.imu.stamps_ns.tolist() == drive.imu.stamps_ns.tolist()
        np.testing.assert_array_equal(read.imu.values, drive.imu.values)
        assert read.truth.stamps_ns.tolist() == drive.truth.stamps_ns.tolist()
        np.testing.assert_allclose(read.truth.poses, drive.truth.poses, atol=1e-12)
        assert_same_rig(read.rig, drive.rig)
        assert read.rig.camera.intrinsics == INTRINSICS
        assert read.notes == (
            'Nobody says, so the default holds: no camera_height; imu_time_offset 0 s; gyro_lag 0 s; '
            'accelerometer_lag 0 s; gyro_bias 0.',
        )


def test_messages_are_written_in_the_order_of_time_and_the_readings_up_to_an_image_before_it():
    kinds = written(tiny_drive())
    assert kinds[0] == ('static_transforms', tiny_drive().imu.stamps_ns[0])  # before all else
    stamps_ns = [stamp_ns for _, stamp_ns in kinds]
    assert stamps_ns == sorted(stamps_ns)
    for image_ns in frame_stamps_ns():
        together = [kind for kind, stamp_ns in kinds if stamp_ns == image_ns]
        assert together == ['imu', 'camera_info', 'image', 'ground_truth']


def test_ground_truth_has_stamps_of_its_own():
    stamps_ns = START_NS + np.array([-FRAME_NS, 10, FRAME_NS + 10])
    truth = Trajectory(stamps_ns, np.stack([translation(float(i), 0.0, 0.0) for i in range(3)]))
    kinds = written(tiny_drive(truth=truth))
    assert [stamp_ns for kind, stamp_ns in kinds if kind == 'ground_truth'] == stamps_ns.tolist()
    assert kinds[0] == ('static_transforms', START_NS - FRAME_NS)
    assert [stamp_ns for _, stamp_ns in kinds] == sorted(stamp_ns for _, stamp_ns in kinds)


def test_what_a_drive_does_not_have_is_not_written():
    kinds = {kind for kind, _ in written(tiny_drive(truth=None, rig=Rig()))}
    assert kinds == {'static_transforms', 'imu', 'image'}


def test_an_image_of_another_size_is_refused_and_no_bag_is_left(tmp_path):
    first, second, third = tiny_drive().pictures
    drive = tiny_drive(pictures=(first, second, third[:, :5]))
    with pytest.raises(DatasetError, match=r'Image 2 .* has 5x12 pixels, the images before it 16x12'):
        write_bag(drive, BagWriter(tmp_path / 'bag'))
    assert list(tmp_path.iterdir()) == []


def test_progress_counts_images(tmp_path):
    seen: list[None] = []
    write_bag(tiny_drive(), BagWriter(tmp_path / 'bag'), lambda: seen.append(None))
    assert len(seen) == 3


def test_bad_messages_of_a_bag_are_reported_once_and_left_out(tmp_path):
    with BagWriter(tmp_path / 'bag') as bag:
        for i, stamp_ns in enumerate(frame_stamps_ns()):
            bag.write_imu(ImuSample(stamp_ns, np.zeros(3), np.zeros(3)))
            picture = messages.image(MAKE, stamp_ns, 'camera', np.zeros((4, 4), np.uint8))
            picture.encoding = 'no such' if i == 1 else 'mono8'
            bag.write_raw('/camera/image_raw', picture.__msgtype__, stamp_ns, MAKE.serialize(picture))
    bad: list[BagError] = []
    with BagReader(tmp_path / 'bag') as reader:
        drive = BagDrive(reader, bad.append)
        assert [stamp_ns for stamp_ns, _ in drive.images()] == frame_stamps_ns()[::2]
        assert drive.stamps_ns.tolist() == frame_stamps_ns()[::2]
        assert len(drive.imu) == 3
    assert len(bad) == 1
    assert 'message 2 of 3 on /camera/image_raw' in str(bad[0])


def test_readings_that_a_bag_has_out_of_order_are_sorted(tmp_path):
    stamps_ns = [START_NS, START_NS + 20, START_NS + 10, START_NS + 10]
    with BagWriter(tmp_path / 'bag') as bag:
        bag.write_image(START_NS, np.zeros((4, 4), np.uint8))
        for i, stamp_ns in enumerate(stamps_ns):
            message = messages.imu(MAKE, ImuSample(stamp_ns, np.full(3, float(i)), np.zeros(3)), 'imu_link')
            bag.write_raw('/imu/data_raw', message.__msgtype__, START_NS + i, MAKE.serialize(message))
    with BagReader(tmp_path / 'bag') as reader:
        imu = BagDrive(reader).imu
    assert imu.stamps_ns.tolist() == [START_NS, START_NS + 10, START_NS + 20]
    assert imu.values[:, 0].tolist() == [0.0, 2.0, 1.0]
    assert (imu.out_of_order, imu.duplicates) == (2, 1)


def test_a_rendered_drive_is_a_drive():
    drive: Drive = synthesize(DriveSettings(length=40.0))
    assert drive.truth.stamps_ns.tolist() == drive.stamps_ns.tolist()
    np.testing.assert_allclose(drive.truth.poses[0], np.eye(4), atol=1e-12)
    np.testing.assert_array_equal(drive.rig.T_base_imu, np.eye(4))
    assert drive.imu.values[:, 5].mean() == pytest.approx(9.81, abs=0.5)  # gyro first
