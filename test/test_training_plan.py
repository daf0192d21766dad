"""The plan of a run: which windows a step sees, at which rate, and when the network is validated."""

import pytest
from samples.prepared import write_prepared
from samples.training import PAIRS, WINDOWS, settings, two_sequences

from atvio_ros.errors import DatasetError
from atvio_ros.training.dataset import open_split
from atvio_ros.training.plan import Plan
from atvio_ros.training.settings import AugmentationSettings, DataSettings, StageSettings, TrainSettings


def plan(tmp_path, *first_stages, devices=1, **changes):
    if not (tmp_path / 'a').exists():
        write_prepared(tmp_path / 'a', frames=60)
    settings = TrainSettings(
        stages=(*first_stages, StageSettings(epochs=3, batch_size=4)),
        augmentation=AugmentationSettings(mirror=True, frame_skips=(1, 2)),
        **changes,
    )
    return Plan(open_split(tmp_path, settings.data, settings.model, 2), settings, devices)


def test_a_run_that_is_resumed_sees_the_batches_it_would_have(tmp_path):
    whole = list(plan(tmp_path).batches(0))
    assert len(whole) == plan(tmp_path).steps
    for step in (1, 11, 12, 13, 25):
        assert list(plan(tmp_path).batches(step)) == whole[step:]


def test_an_epoch_draws_every_window_once(tmp_path):
    made = plan(tmp_path)
    stage = made.stages[0]
    drawn = [window[:2] for batch in list(made.batches(0))[: stage.steps_per_epoch] for window in batch]
    assert len(set(drawn)) == len(drawn)
    assert set(drawn) <= set(stage.starts)
    assert len(stage.starts) - len(drawn) < 4  # the rest of the last batch


def test_a_stride_draws_one_of_each_group_of_neighbours(tmp_path):
    made = plan(tmp_path, StageSettings('pairs', epochs=1, window=2, batch_size=2, stride=4))
    drawn = sorted(window.first for batch in made.batches(0) for window in batch if window.pairs == 1)
    groups = [first // 4 for first in drawn]
    assert len(set(groups)) == len(groups)


def test_devices_share_the_windows_of_a_step(tmp_path):
    parts = [list(plan(tmp_path, devices=2).batches(0, rank)) for rank in (0, 1)]
    for first, second in zip(*parts, strict=True):
        assert not {window[:2] for window in first} & {window[:2] for window in second}


def test_no_window_with_skipped_frames_leaves_the_training_part(tmp_path):
    made = plan(tmp_path)
    ends = [window.first + window.pairs * window.skip for batch in made.batches(0) for window in batch]
    assert max(ends) < 54  # the last tenth of 60 images is for validation
    assert {window.skip for batch in made.batches(0) for window in batch} == {1, 2}


def test_too_few_windows_for_one_batch_are_said_so(tmp_path):
    write_prepared(tmp_path / 'a', frames=10)
    with pytest.raises(DatasetError, match='too few for 1 x batches of 4'):
        plan(tmp_path, data=DataSettings(validation_share=0.5))


# ---- rates and validations


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    return two_sequences(tmp_path_factory.mktemp('data'))


def stages_plan(data, *stages):
    chosen = settings(data, stages=list(stages))
    return Plan(open_split(data, chosen.data, chosen.model, 2), chosen)


def test_cosine_schedule_warms_up_and_ends_near_zero(data):
    made = stages_plan(data, {**WINDOWS, 'epochs': 4, 'schedule': 'cosine', 'warm_up_steps': 3, 'learning_rate': 1.0})
    rates = [made.learning_rate(step) for step in range(made.steps)]
    assert rates[:4] == sorted(rates[:4])
    assert rates[4:] == sorted(rates[4:], reverse=True)
    assert rates[-1] < 0.02


def test_each_stage_has_its_rate_and_validates_at_its_own_pace_and_at_its_end(data):
    made = stages_plan(
        data,
        {**PAIRS, 'learning_rate': 0.1, 'validate_every_epochs': 0.4},
        {**WINDOWS, 'learning_rate': 0.2, 'validate_every_epochs': 0.5},
    )
    assert [stage.steps for stage in made.stages] == [5, 10]
    assert [made.learning_rate(step) for step in (0, 4, 5, 14)] == [0.1, 0.1, 0.2, 0.2]
    assert [steps for steps in range(1, made.steps + 1) if made.validates_after(steps)] == [2, 4, 5, 10, 15]
