"""A part of a bag: images of that part alone, with the readings and poses around them, and the robot whole."""

from __future__ import annotations

import numpy as np
import pytest
from samples.bags import FRAME_NS, frame_stamps_ns, write_drive
from samples.models import write_tiny_model

from atvio_ros.bags.reader import SPAN_MARGIN_NS, BagReader
from atvio_ros.bags.topics import IMAGE_TOPIC, IMU_TOPIC, Span
from atvio_ros.cli.main import main
from atvio_ros.drives.bag_drive import BagDrive
from atvio_ros.drives.sequence_store import PreparedSequence, read_meta
from atvio_ros.errors import BagError, SettingsError
from atvio_ros.training.prepared_form import form_for

SECOND_FRAME_S = FRAME_NS / 1e9


@pytest.fixture
def bag(tmp_path):
    return write_drive(tmp_path / 'drive')


def test_the_parts_of_a_bag_together_are_its_images(bag):
    cut = Span(to_s=SECOND_FRAME_S - 0.01), Span(from_s=SECOND_FRAME_S - 0.01)
    found, counts = [], []
    for span in cut:
        with BagReader(bag, span=span) as reader:
            counts.append(reader.count(IMAGE_TOPIC))
            found.append([image.stamp_ns for image in reader.images()])
            assert reader.static_transforms()  # the robot is described at the start of the bag
            assert reader.camera_info() is not None
    assert found[0] + found[1] == frame_stamps_ns()
    assert counts == [1, 2]


def test_readings_and_poses_reach_beyond_the_images(bag):
    """A lag or an offset of the IMU needs readings beyond the last image; a pose between two is interpolated."""
    assert SPAN_MARGIN_NS == 500_000_000  # the tiny bag is shorter than that
    with BagReader(bag, span=Span(to_s=0.01)) as reader:
        assert len(list(reader.imu())) == reader.count(IMU_TOPIC) > 4
        assert len(BagDrive(reader).truth) == 3


def test_impossible_parts_are_refused_in_a_line(bag, capsys):
    with pytest.raises(SettingsError, match='--from the smaller'):
        Span(3.0, 2.0)
    with (
        pytest.raises(BagError, match=r'is 0\.2 s long; nothing is left of it after 60 s'),
        BagReader(bag, span=Span(60)),
    ):
        pass
    assert main(['run', str(bag), '--out', str(bag.parent / 'out'), '--from', 'nan']) == 1
    assert 'no part of a bag' in capsys.readouterr().err


def test_one_bag_is_split_into_training_and_validation(bag, tmp_path):
    out = tmp_path / 'data'
    cut = str(SECOND_FRAME_S - 0.01)
    assert main(['prepare', str(bag), '--out', str(out), '--size', '8x6', '--from', cut, '--validation']) == 0
    assert main(['prepare', str(bag), '--out', str(out), '--size', '8x6', '--to', cut]) == 0
    first, second = sorted(path.name for path in out.iterdir())
    assert (len(PreparedSequence(out / first)), len(PreparedSequence(out / second))) == (1, 2)
    assert second == 'validation_drive_from0.0937'
    assert read_meta(out / second).source == 'bag drive, from 0.0937 s on'
    np.testing.assert_array_equal(PreparedSequence(out / second).image_stamps_ns, frame_stamps_ns()[1:])


def test_prepare_takes_size_view_and_colour_from_the_network_it_is_for(bag, tmp_path, capsys):
    model = write_tiny_model(tmp_path / 'tiny.safetensors', image_channels=1)
    assert form_for(model).options == '--size 64x32 --view none --grey'
    assert main(['prepare', str(bag), '--out', str(tmp_path / 'data'), '--for', str(model)]) == 0
    assert PreparedSequence(tmp_path / 'data' / 'drive').images.shape == (3, 32, 64, 1)
    recipe = tmp_path / 'road.yaml'
    recipe.write_text('variant: road\n')
    assert form_for(recipe).options == '--view stored'
    recipe.write_text(f'initial_model: {model}\n')
    assert form_for(recipe) == form_for(model)
    level = write_tiny_model(tmp_path / 'level.safetensors', view='level', view_pitch_deg=-1.1)
    assert form_for(level).options == '--size 64x32 --view level --view-pitch-deg -1.1'
