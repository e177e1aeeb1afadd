"""Jobs of the server: shared, outliving who began them, told how far they are, stopped by few."""

import threading

import pytest

from headlab.errors import HeadlabError
from headlab.ui.services import jobs as module
from headlab.ui.services.jobs import Jobs
from headlab.ui.services.queue import ModelQueue, ResultCache


@pytest.fixture
def jobs():
    return Jobs(ResultCache(ModelQueue(), 10_000))


class Held:
    """Work that tells a tenth, waits to be released, and then tells half."""

    def __init__(self, error=None):
        self.began, self.free, self.calls, self.error = (
            threading.Event(),
            threading.Event(),
            0,
            error,
        )

    def __call__(self, job):
        self.calls += 1
        job.progress(0.1, "a tenth")
        self.began.set()
        assert self.free.wait(20)
        job.progress(0.5, "a half")
        if self.error is not None:
            raise self.error
        return "value"


class Left(BaseException):
    """What Streamlit raises in a run whose learner has gone elsewhere."""


def begun_and_left(jobs, key, work, who="first"):
    with pytest.raises(Left), jobs.watched(key, work, who) as job:
        assert work.began.wait(20)
        raise Left
    return job


def test_a_job_goes_on_when_who_began_it_has_gone(jobs):
    work = Held()
    job = begun_and_left(jobs, "key", work)
    assert job.watchers == [] and jobs.find("key") is job
    work.free.set()
    assert job.done.wait(20) and job.result() == "value"
    assert jobs._cache.find("key") == "value" and len(jobs) == 0


def test_a_second_one_joins_and_sees_how_far_it_is(jobs):
    work = Held()
    begun_and_left(jobs, "key", work)
    with jobs.watched("key", work, "second") as job:
        assert (job.share, job.words, job.watchers) == (0.1, "a tenth", ["second"])
        work.free.set()
        assert job.done.wait(20) and job.share == 0.5
    assert job.result() == "value" and work.calls == 1


def test_the_time_left_is_told_once_and_only_once(jobs, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    job = module.Job("me", lambda: None)
    now[0] = 30.0
    job.progress(0.5, "text 1 of 2")
    assert job.words == "text 1 of 2, about 30 s left"
    job.progress(0.5, "measuring, about 20 s left")
    assert job.words == "measuring, about 20 s left"


def test_all_who_watch_hear_why_it_failed_and_the_next_begins_anew(jobs):
    work = Held(HeadlabError("No."))
    with jobs.watched("key", work, "first") as job, jobs.watched("key", work, "second") as same:
        assert same is job
        work.free.set()
        assert job.done.wait(20)
    for each in (job, same):
        with pytest.raises(HeadlabError, match="No"):
            each.result()
    work.error = None
    with jobs.watched("key", work, "second") as again:
        assert again.done.wait(20)
    assert again.result() == "value" and work.calls == 2


def test_only_who_began_it_stops_it_and_only_while_nobody_else_watches(jobs):
    work = Held()
    with jobs.watched("key", work, "first") as job:
        with jobs.watched("key", work, "second"):
            assert not jobs.stop("key", "second") and not jobs.stop("key", "first")
        assert not jobs.stop("key", "second") and jobs.stop("key", "first")
        with jobs.watched("key", lambda job: "anew", "second") as other:  # does not join what ends
            assert other is not job
            work.free.set()
            assert other.done.wait(20) and job.done.wait(20)
    with pytest.raises(module.Stopped):
        job.result()
    assert other.result() == "anew" and len(jobs) == 0


def test_jobs_that_nobody_watches_do_not_pile_up(jobs):
    free = threading.Event()

    def hold(job):
        assert free.wait(20)
        job.progress(0.5, "a half")
        return "value"

    left = []
    for number in range(module.UNWATCHED + 1):
        with jobs.watched(number, hold, "one") as job:
            left.append(job)
    assert [job.stopping for job in left] == [True] + [False] * module.UNWATCHED
    free.set()
    assert all(job.done.wait(20) for job in left)
    assert [job.result() for job in left[1:]] == ["value"] * module.UNWATCHED


def test_a_job_lets_others_go_first(jobs):
    work, order = Held(), []
    turns = jobs._cache.turns

    def short():
        with turns.turn():
            order.append("short")

    with jobs.watched("key", work, "first") as job:
        assert work.began.wait(20)
        threads = [threading.Thread(target=short)]
        threads[0].start()
        while turns.waiting == 0:  # who waits in a queue tells nobody
            threading.Event().wait(0.005)
        work.free.set()
        threads[0].join(20)
        assert order == ["short"]
        assert job.done.wait(20)
