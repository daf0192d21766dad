"""The books: every entry is counted once, whoever makes it, and every drop is told to those who listen."""

from __future__ import annotations

import threading

from atvio_ros.odometry.ledger import Counts, Ledger, Reason


def test_empty_books_count_nothing():
    assert Ledger().counts == Counts()


def test_images_and_readings_are_kept_apart():
    ledger = Ledger()
    for _ in range(3):
        ledger.image_received()
        ledger.imu_received()
    ledger.image_processed()
    ledger.drop(Reason.IMU_DUPLICATE, 'again')
    ledger.drop(Reason.RESET, 'reset', 2)
    counts = ledger.counts
    assert (counts.images_received, counts.images_processed, counts.images_dropped) == (3, 1, 2)
    assert (counts.imu_received, counts.imu_dropped) == (3, 1)
    assert counts.dropped == {Reason.IMU_DUPLICATE: 1, Reason.RESET: 2}


def test_counts_handed_out_do_not_change_any_more():
    ledger = Ledger()
    before = ledger.counts
    ledger.image_received()
    ledger.drop(Reason.IMAGE_INVALID, 'damaged')
    assert before == Counts()


def test_every_listener_is_told_of_every_drop_and_may_read_the_books():
    told = []
    ledger = Ledger(
        lambda reason, detail: told.append((reason, detail)),
        lambda reason, detail: told.append(ledger.counts.images_dropped),
    )
    ledger.drop(Reason.PAUSED, 'paused', 2)
    ledger.drop(Reason.RESET, 'nothing waited', 0)
    assert told == [(Reason.PAUSED, 'paused'), 2] * 2
    assert Reason.RESET not in ledger.counts.dropped


def test_entries_from_many_threads_are_all_counted():
    told = []
    ledger = Ledger(lambda reason, detail: told.append(reason))

    def enter() -> None:
        for _ in range(500):
            ledger.image_received()
            ledger.imu_received()
            ledger.image_processed()
            ledger.drop(Reason.OVERLOAD, '')

    threads = [threading.Thread(target=enter) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ledger.counts == Counts(2000, 2000, 2000, {Reason.OVERLOAD: 2000})
    assert len(told) == 2000
