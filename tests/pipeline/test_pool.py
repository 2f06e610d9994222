"""The pool: results in order, the first failure at once, and no job begun after the end."""

from __future__ import annotations

import threading

import pytest

from d8_installer.pipeline.pool import Pool, workers


def test_results_come_in_the_order_of_the_items() -> None:
    with workers(3) as pool:
        assert pool.map(lambda number: number * number, range(20)) == [number * number for number in range(20)]


def test_no_more_than_the_size_of_the_pool_run_at_once() -> None:
    barrier = threading.Barrier(2)
    with workers(2) as pool:
        pool.map(lambda _: barrier.wait(timeout=10), range(4))
    assert not barrier.broken


def test_the_first_failure_is_raised_while_others_still_run() -> None:
    release = threading.Event()

    def fail() -> None:
        raise ValueError("the first")

    pool = Pool(2, "test")
    stuck = pool.submit(release.wait)
    with pytest.raises(ValueError, match="the first"):
        pool.finish([pool.submit(fail)])
    release.set()
    assert stuck.result()
    pool.close(wait=True)


def test_the_exception_of_a_job_is_raised_where_its_result_is_asked_for() -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    with workers(1) as pool:
        job = pool.submit(interrupt)
        with pytest.raises(KeyboardInterrupt):
            job.result()
        assert pool.submit(lambda: "goes on").result() == "goes on"


def test_what_has_not_begun_at_the_end_never_begins() -> None:
    begun, release, ran = threading.Event(), threading.Event(), list[str]()

    def first() -> None:
        begun.set()
        release.wait(timeout=10)
        ran.append("first")

    pool = Pool(1, "test")
    pool.submit(first)
    assert begun.wait(timeout=10)
    pool.submit(lambda: ran.append("second"))
    pool.close(wait=False)
    release.set()
    pool.close(wait=True)
    assert ran == ["first"]


def test_after_an_error_no_thread_is_waited_for() -> None:
    release = threading.Event()
    with pytest.raises(ValueError, match="Ctrl-C"), workers(1) as pool:
        pool.submit(release.wait)
        raise ValueError("Ctrl-C")
    release.set()
