"""Pairing: every image is in a pair or in the count of one reason, whatever the streams do, and stamps alone decide."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from samples.streams import MS, SECOND, START_NS, feed, frame, reading, readings, stamps

from atvio_ros.odometry.frame_pairs import FramePairer, PairingLimits
from atvio_ros.odometry.imu_buffer import ImuBuffer
from atvio_ros.odometry.ledger import Ledger, Reason
from atvio_ros.preprocessing import resample_imu


def ms(time_ms: float) -> int:
    return START_NS + round(time_ms * MS)


def frames(*times_ms: float) -> list:
    return [frame(ms(t)) for t in times_ms]


def imu(start_ms: float, end_ms: float, step_ms: float = 10) -> list:
    return readings(ms(start_ms), ms(end_ms), round(step_ms * MS))


def by_stamp(*streams) -> list:
    return sorted(itertools.chain(*streams), key=lambda event: event.stamp_ns)


def times_ms(pairs) -> list[tuple[float, float]]:
    return [((a - START_NS) / MS, (b - START_NS) / MS) for a, b in stamps(pairs)]


def dropped(pairer: FramePairer) -> dict[Reason, int]:
    return dict(pairer.ledger.counts.dropped)


def unaccounted(pairer: FramePairer, pairs: list) -> int:
    """Images received that are neither the second of a pair, nor dropped, nor waiting."""
    counts = pairer.ledger.counts
    return counts.images_received - len(pairs) - counts.images_dropped - pairer.waiting


@pytest.fixture
def pairer() -> FramePairer:
    return FramePairer()


def test_neighbouring_images_become_pairs_with_the_readings_between_them(pairer):
    pairs = feed(pairer, by_stamp(imu(0, 310), frames(0, 100, 200, 300)))
    assert times_ms(pairs) == [(0, 100), (100, 200), (200, 300)]
    assert [pair.continues for pair in pairs] == [False, True, True]
    np.testing.assert_array_equal(pairs[1].imu.stamps_ns, ms(100) + np.arange(11) * 10 * MS)
    assert pairs[1].interval_s == pytest.approx(0.1)
    assert dropped(pairer) == {Reason.FIRST_IMAGE: 1}


def test_a_pair_waits_until_the_imu_has_reached_its_second_image(pairer):
    assert feed(pairer, [*imu(0, 90), *frames(0, 95)]) == []
    assert pairer.waiting == 1
    assert len(feed(pairer, imu(100, 100))) == 1
    assert pairer.waiting == 0


def test_a_lagging_gyro_makes_a_pair_wait_longer():
    pairer = FramePairer(ImuBuffer(gyro_lag_ns=65 * MS))
    assert feed(pairer, [*frames(0, 100), *imu(0, 160)]) == []
    assert len(feed(pairer, imu(170, 170))) == 1


def test_a_leading_gyro_does_not_release_a_pair_before_its_forces_are_there():
    pairer = FramePairer(ImuBuffer(gyro_lag_ns=-35 * MS))
    assert feed(pairer, [*frames(0, 100), *imu(-50, 90)]) == []
    assert len(feed(pairer, imu(100, 100))) == 1


def test_a_gyro_that_leads_by_more_than_an_interval_still_finds_its_readings():
    pairer = FramePairer(ImuBuffer(gyro_lag_ns=-250 * MS))
    for pair in feed(pairer, by_stamp(imu(-300, 400), frames(0, 100, 200, 300, 400))):
        t = (pair.imu.stamps_ns - START_NS) / 1e9
        np.testing.assert_allclose(pair.imu.values[:, 0], t - 0.25, atol=1e-9)


def test_a_gap_between_images_starts_a_new_stretch(pairer):
    pairs = feed(pairer, by_stamp(imu(0, 1000), frames(0, 100, 700, 800)))
    assert times_ms(pairs) == [(0, 100), (700, 800)]
    assert [pair.continues for pair in pairs] == [False, False]
    assert dropped(pairer) == {Reason.FIRST_IMAGE: 1, Reason.IMAGE_GAP: 1}


def test_a_hole_in_the_imu_starts_a_new_stretch_that_says_how_long_the_hole_was():
    told = []
    pairer = FramePairer(ledger=Ledger(lambda reason, detail: told.append((reason, detail))))
    pairs = feed(pairer, by_stamp(imu(0, 120), imu(190, 400), frames(0, 100, 200, 300, 400)))
    assert times_ms(pairs) == [(0, 100), (200, 300), (300, 400)]
    assert [pair.continues for pair in pairs] == [False, False, True]
    reason, detail = told[-1]
    assert reason is Reason.IMU_GAP
    assert detail.startswith('70 ms without IMU data between two images (limit 50 ms)')


def test_a_short_hole_in_the_imu_is_bridged(pairer):
    pairs = feed(pairer, by_stamp(imu(0, 120), imu(165, 305), frames(0, 100, 200, 300)))
    assert len(pairs) == 3
    assert pairs[2].continues


@pytest.mark.parametrize('repeat_ms', [200, 150, 100])
def test_an_image_that_is_not_newer_is_counted_and_changes_nothing(repeat_ms, pairer):
    pairs = feed(pairer, [*imu(0, 300), *frames(0, 100, 200, repeat_ms, 300)])
    assert times_ms(pairs) == [(0, 100), (100, 200), (200, 300)]
    assert dropped(pairer) == {Reason.FIRST_IMAGE: 1, Reason.IMAGE_STAMP: 1}


def test_repeated_and_unusable_readings_are_counted_and_change_nothing(pairer):
    bad = reading(ms(55), gyro=(np.nan, 0.0, 0.0))
    pairs = feed(pairer, [*imu(0, 50), bad, *imu(50, 100), *frames(0, 100)])
    assert len(pairs) == 1
    assert np.isfinite(pairs[0].imu.values).all()
    assert dropped(pairer) == {Reason.FIRST_IMAGE: 1, Reason.IMU_INVALID: 1, Reason.IMU_DUPLICATE: 1}
    counts = pairer.ledger.counts
    assert (counts.imu_dropped, counts.imu_received, counts.images_dropped) == (2, 13, 1)


def test_readings_out_of_order_are_used(pairer):
    ordered = imu(0, 100)
    shuffled = [*ordered[:4], *ordered[7:10], *ordered[4:7], ordered[10]]
    (pair,) = feed(pairer, [*frames(0, 100), *shuffled])
    np.testing.assert_array_equal(pair.imu.stamps_ns, [sample.stamp_ns for sample in ordered])


LOOP = by_stamp(imu(0, 3000), frames(*range(0, 3001, 100)))


@pytest.mark.parametrize('jitter', range(-3, 4))
def test_a_bag_that_loops_is_followed_again_from_its_start(jitter, pairer):
    around = LOOP[:]
    if jitter:  # the first events of the second turn overtake the last of the first, or the other way round
        loops = [*LOOP, *LOOP]
        seam = len(LOOP)
        around = loops[: seam + jitter][-abs(jitter) :] if jitter > 0 else loops[seam + jitter : seam]
    pairs = feed(pairer, LOOP)
    assert len(pairs) == 30
    again = feed(pairer, LOOP if not jitter else [*around, *LOOP])
    assert times_ms(again)[-30:] == times_ms(pairs)
    assert not again[-30].continues
    assert all(pair.interval_s > 0 for pair in again)
    assert unaccounted(pairer, [*pairs, *again]) == 0


def test_images_that_lag_behind_the_imu_when_a_bag_loops_find_its_readings(pairer):
    """As on a busy machine: the IMU is well into the second turn when the last image of the first one is received."""
    feed(pairer, [*by_stamp(imu(0, 3000), frames(*range(0, 2801, 100))), *imu(0, 2000), *frames(2900, 3000)])
    again = feed(pairer, [*frames(*range(0, 2001, 100))])
    assert times_ms(again) == [(t, t + 100) for t in range(0, 2000, 100)]
    assert dropped(pairer) == {Reason.FIRST_IMAGE: 3, Reason.TIME_JUMP: 1}  # 2900 began a turn that never came


def test_images_that_wait_when_time_goes_back_are_counted_as_such(pairer):
    feed(pairer, [*imu(5000, 5100), *frames(5000, 5200, 5300)])
    assert pairer.waiting == 2
    pairs = feed(pairer, by_stamp(imu(0, 200), frames(0, 100, 200)))
    assert times_ms(pairs) == [(0, 100), (100, 200)]
    assert dropped(pairer) == {Reason.FIRST_IMAGE: 2, Reason.TIME_JUMP: 2}


def test_one_wild_stamp_costs_a_few_images_and_not_the_rest_of_the_drive():
    drive = by_stamp(imu(0, 5000), frames(*range(0, 5001, 100)))
    for wild in (frame(ms(1e6)), reading(ms(1e6)), frame(0), reading(0)):
        pairer = FramePairer()
        pairs = feed(pairer, [*drive[:300], wild, *drive[300:]])
        assert len(pairs) >= 45, wild
        assert times_ms(pairs)[-1] == (4900, 5000)


def test_an_image_waits_no_longer_than_the_limit_for_the_imu(pairer):
    feed(pairer, [*imu(0, 100), frame(ms(0)), frame(ms(200), received_ns=7 * SECOND)])
    assert pairer.expire(8 * SECOND) == []
    assert pairer.waiting == 1
    assert pairer.expire(8 * SECOND + 1) == []
    assert pairer.waiting == 0
    assert dropped(pairer) == {Reason.FIRST_IMAGE: 1, Reason.NO_IMU: 1}


def test_an_image_that_the_imu_nearly_reaches_is_paired_when_the_limit_has_passed(pairer):
    feed(pairer, [*imu(0, 160), *frames(0, 100, 200)])
    (pair,) = pairer.expire(2 * SECOND)
    assert times_ms([pair]) == [(100, 200)]
    assert pair.continues


def test_after_an_image_without_imu_the_next_one_still_connects_to_the_last_good_one(pairer):
    feed(pairer, [*imu(0, 100), *frames(0, 100, 200)])
    assert pairer.expire(2 * SECOND) == []
    (pair,) = feed(pairer, [*imu(110, 300), *frames(300)])
    assert times_ms([pair]) == [(100, 300)]
    assert pair.continues


def test_the_end_of_the_streams_releases_what_can_be_released(pairer):
    assert len(feed(pairer, [*imu(0, 295), *frames(0, 100, 200, 300, 400)])) == 2
    assert times_ms(pairer.finish()) == [(200, 300)]
    assert pairer.waiting == 0
    assert dropped(pairer) == {Reason.FIRST_IMAGE: 1, Reason.NO_IMU: 1}
    assert pairer.finish() == []


def test_images_do_not_pile_up_for_ever_where_no_clock_expires_them():
    pairer = FramePairer(limits=PairingLimits(max_behind_ns=2 * SECOND))
    feed(pairer, [*imu(0, 100), *frames(*range(0, 10_000, 100))])
    assert pairer.waiting == 21
    counts = pairer.ledger.counts
    assert counts.images_received == pairer.waiting + counts.images_dropped + 1  # and one pair


def test_clearing_forgets_the_images_says_how_many_waited_and_begins_anew(pairer):
    feed(pairer, [*imu(0, 100), *frames(0, 100, 200, 300)])
    assert pairer.clear() == 2
    assert pairer.waiting == 0
    assert dropped(pairer) == {Reason.FIRST_IMAGE: 1}
    pairs = feed(pairer, [*imu(110, 500), *frames(400, 500)])
    assert times_ms(pairs) == [(400, 500)]
    assert not pairs[0].continues


EVENTS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(['image', 'imu']), st.integers(-3, 12)),  # steps of 10 ms from the newest of its kind
        st.tuples(st.sampled_from(['image', 'imu']), st.integers(-600, 600)),
        st.tuples(st.sampled_from(['drive', 'bad imu', 'expire', 'finish', 'clear']), st.integers(0, 30)),
    ),
    max_size=60,
)


@settings(max_examples=150, deadline=None)
@given(events=EVENTS, lag_ms=st.sampled_from([0, 65, -35]))
def test_every_image_is_in_a_pair_or_counted_once_whatever_happens(events, lag_ms):
    pairer = FramePairer(ImuBuffer(gyro_lag_ns=lag_ms * MS, horizon_ns=2 * SECOND))
    newest = {'image': START_NS, 'imu': START_NS}
    clock_ns, good, pairs = 0, 0, []

    def send(kind: str, step: int) -> list:
        nonlocal good
        newest[kind] += step * 10 * MS
        good += kind == 'imu'
        return feed(pairer, [frame(newest[kind], clock_ns) if kind == 'image' else reading(newest[kind])])

    for kind, number in events:
        clock_ns += 100 * MS
        if kind in ('image', 'imu'):
            pairs += send(kind, number)
        elif kind == 'drive':  # a stretch of sound data
            newest['imu'] = newest['image']
            for _ in range(number):
                pairs += send('image', 5)
                for _ in range(5):
                    pairs += send('imu', 1)
        elif kind == 'bad imu':
            pairs += feed(pairer, [reading(newest['imu'] + number * MS, gyro=(np.nan, 0, 0))])
        elif kind == 'expire':
            pairs += pairer.expire(clock_ns)
        elif kind == 'finish':
            pairs += pairer.finish()
        else:
            pairer.ledger.drop(Reason.RESET, '', pairer.clear())
        assert unaccounted(pairer, pairs) == 0

    limits = pairer.limits
    for pair in pairs:
        assert 0 < pair.current.stamp_ns - pair.previous.stamp_ns <= limits.max_image_gap_ns
        assert (np.diff(pair.imu.stamps_ns) > 0).all()
        assert np.isfinite(resample_imu(pair.imu, pair.previous.stamp_ns, pair.current.stamp_ns)).all()
    for before, after in itertools.pairwise(pairs):
        assert not after.continues or after.previous.stamp_ns == before.current.stamp_ns
    counts = pairer.ledger.counts
    assert counts.imu_received == good + counts.dropped.get(Reason.IMU_INVALID, 0)
    assert len(pairer.imu) <= 201


@settings(max_examples=60, deadline=None)
@given(
    image_steps=st.lists(st.sampled_from([33, 100, 101, 470, 530]), min_size=2, max_size=12),
    imu_steps=st.lists(st.sampled_from([9.7, 10, 10, 10, 30, 49, 80]), min_size=5, max_size=90),
    imu_start=st.integers(-60, 60),
    lag_ms=st.sampled_from([0, 65, -35]),
    choices=st.data(),
)
def test_pairs_depend_on_the_stamps_and_not_on_how_the_streams_interleave(
    image_steps, imu_steps, imu_start, lag_ms, choices
):
    images = frames(*itertools.accumulate(image_steps, initial=0))
    imu_stream = [readings(t, t)[0] for t in map(ms, itertools.accumulate(imu_steps, initial=imu_start))]
    kinds = choices.draw(st.permutations([images] * len(images) + [imu_stream] * len(imu_stream)))
    streams = {id(images): iter(images), id(imu_stream): iter(imu_stream)}
    orders = {
        'drawn': [next(streams[id(kind)]) for kind in kinds],
        'by stamp': by_stamp(images, imu_stream),
        'images first': [*images, *imu_stream],
        'IMU first': [*imu_stream, *images],
    }
    outcomes = {}
    for name, events in orders.items():
        pairer = FramePairer(ImuBuffer(gyro_lag_ns=lag_ms * MS))
        pairs = [*feed(pairer, events), *pairer.finish()]
        blocks = [resample_imu(pair.imu, pair.previous.stamp_ns, pair.current.stamp_ns).tolist() for pair in pairs]
        outcomes[name] = (stamps(pairs), [pair.continues for pair in pairs], blocks, dropped(pairer))
    for name, outcome in outcomes.items():
        assert outcome == outcomes['by stamp'], name
