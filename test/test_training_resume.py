"""A run goes on where it stopped, bit for bit: after an end, a kill, Ctrl-C, and across its stages."""

import os
import shutil
import signal

import pytest
from samples.prepared import write_prepared
from samples.training import PAIRS, WINDOWS, assert_same_weights, settings, two_sequences

from atvio_ros.errors import DatasetError, SettingsError
from atvio_ros.network.checkpoint import load_model
from atvio_ros.training.train import train

# Validated after steps 2 and 4 of 5, after the stage's last, and at the end of the second stage.
IN_TWO_STAGES = {
    'stages': [{**PAIRS, 'validate_every_epochs': 0.4}, {**WINDOWS, 'start_from': 'best'}],
    'max_steps': 8,
}


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    return two_sequences(tmp_path_factory.mktemp('data'))


def test_two_steps_resumed_for_two_more_give_the_weights_of_four(data, tmp_path):
    train(settings(data, max_steps=4), tmp_path / 'straight')
    train(settings(data, max_steps=2), tmp_path / 'resumed')
    result = train(settings(data, max_steps=4), tmp_path / 'resumed', resume=True)
    assert result.steps == 4
    assert_same_weights(tmp_path / 'straight', tmp_path / 'resumed')


def test_random_masks_of_a_variant_are_resumed_too(data, tmp_path):
    """sf_hard draws Gumbel noise in the forward pass."""
    changes = {'variant': 'sf_hard', 'augmentation': {}}
    train(settings(data, **changes, max_steps=3), tmp_path / 'straight')
    train(settings(data, **changes, max_steps=1), tmp_path / 'resumed')
    train(settings(data, **changes, max_steps=3), tmp_path / 'resumed', resume=True)
    assert_same_weights(tmp_path / 'straight', tmp_path / 'resumed')


@pytest.mark.parametrize('start_from', ['last', 'best'])
@pytest.mark.parametrize('killed_after', [2, 4, 5])
def test_a_killed_run_goes_on_from_its_last_validation_and_across_stages(data, tmp_path, killed_after, start_from):
    changes = {**IN_TWO_STAGES, 'stages': [IN_TWO_STAGES['stages'][0], {**WINDOWS, 'start_from': start_from}]}

    def copy(progress):
        if progress.figures and progress.step == killed_after:
            shutil.copytree(tmp_path / 'straight', tmp_path / 'resumed')

    train(settings(data, **changes), tmp_path / 'straight', show=copy)
    train(settings(data, **changes), tmp_path / 'resumed', resume=True)
    assert_same_weights(tmp_path / 'straight', tmp_path / 'resumed')


@pytest.mark.parametrize(
    ('asked_after', 'ends_after'),
    [(2, 3), (4, 5), (5, 6)],
    ids=['within a stage', 'at its last step, where a validation is due', 'after the first step of the next'],
)
def test_ctrl_c_saves_and_exports_and_the_run_goes_on(data, tmp_path, asked_after, ends_after):
    def interrupt(progress):
        if progress.figures and progress.step == asked_after:
            os.kill(os.getpid(), signal.SIGINT)

    before = signal.getsignal(signal.SIGINT)  # ignored, where a shell has started the tests in the background
    train(settings(data, **IN_TWO_STAGES), tmp_path / 'straight')
    stopped = train(settings(data, **IN_TWO_STAGES), tmp_path / 'resumed', show=interrupt)
    assert (stopped.steps, stopped.interrupted) == (ends_after, True)
    assert load_model(stopped.model)[1].trained
    done = train(settings(data, **IN_TWO_STAGES), tmp_path / 'resumed', resume=True)
    assert (done.steps, done.interrupted) == (8, False)
    assert_same_weights(tmp_path / 'straight', tmp_path / 'resumed')
    assert signal.getsignal(signal.SIGINT) is before


def test_another_recipe_cannot_be_resumed(data, tmp_path):
    train(settings(data, max_steps=1), tmp_path / 'run')
    with pytest.raises(SettingsError, match=r'other settings \(train\.weight_decay\)'):
        train(settings(data, max_steps=2, weight_decay=0.0), tmp_path / 'run', resume=True)


def test_a_setting_of_a_stage_that_differs_is_named(data, tmp_path):
    train(settings(data, max_steps=1), tmp_path / 'run')
    other = [{**WINDOWS, 'learning_rate': 0.5, 'validate_every_epochs': 1.0}]  # the latter may change
    with pytest.raises(SettingsError, match=r'other settings \(train\.stages\.windows\.learning_rate\)'):
        train(settings(data, max_steps=2, stages=other), tmp_path / 'run', resume=True)


def test_a_run_is_not_overwritten(data, tmp_path):
    train(settings(data, max_steps=1), tmp_path / 'run')
    with pytest.raises(SettingsError, match='holds a run already'):
        train(settings(data, max_steps=1), tmp_path / 'run')


def test_there_must_be_something_to_resume(data, tmp_path):
    with pytest.raises(SettingsError, match='to go on from'):
        train(settings(data), tmp_path / 'run', resume=True)


def test_a_run_does_not_go_on_without_a_sequence_that_it_is_trained_on_or_with_another(data, tmp_path):
    shutil.copytree(data, tmp_path / 'data')
    train(settings(tmp_path / 'data', max_steps=1), tmp_path / 'run')
    (tmp_path / 'data' / 'two').rename(tmp_path / 'two')
    with pytest.raises(DatasetError, match=r'lacks the sequence two, which this run is trained on. Prepare it again'):
        train(settings(tmp_path / 'data', max_steps=2), tmp_path / 'run', resume=True)
    write_prepared(tmp_path / 'data' / 'two', frames=40, seed=7)
    with pytest.raises(DatasetError, match=r'The sequence two in .* is not what this run is trained on'):
        train(settings(tmp_path / 'data', max_steps=2), tmp_path / 'run', resume=True)
    shutil.rmtree(tmp_path / 'data' / 'two')
    (tmp_path / 'two').rename(tmp_path / 'data' / 'two')
    assert train(settings(tmp_path / 'data', max_steps=2), tmp_path / 'run', resume=True).steps == 2
