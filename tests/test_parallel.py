"""The same with many items: every one gets one result, whatever becomes of the workers."""

import os
import signal
from functools import partial
from pathlib import Path

import pytest

from fluctlab.errors import FluctlabError
from fluctlab.parallel import Lost, each


def squared(number):
    return number * number


def deadly(poison, number):
    if number in poison:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def deadly_once(marks, number):
    mark = Path(marks, str(number))
    if number % 13 == 5 and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return number


@pytest.mark.parametrize("n_jobs", [None, 1, 2])
def test_every_item_gets_its_result(n_jobs):
    found = dict(each(squared, range(50), n_jobs=n_jobs))
    assert found == {n: n * n for n in range(50)}


def test_nothing_to_do_starts_nothing():
    assert list(each(squared, [], n_jobs=2)) == []


def test_a_worker_that_dies_costs_one_retry(tmp_path):
    found = list(each(partial(deadly_once, tmp_path), range(40), n_jobs=2))
    assert sorted(found) == [(n, n) for n in range(40)]
    assert sorted(int(p.name) for p in tmp_path.iterdir()) == [5, 18, 31]


def test_an_item_that_kills_its_worker_twice_is_given_up_and_no_other():
    found = list(each(partial(deadly, {7, 30}), range(40), n_jobs=2))
    assert sorted(n for n, _ in found) == list(range(40))
    assert {n for n, result in found if isinstance(result, Lost)} == {7, 30}


@pytest.mark.parametrize("backend", ["threading", "multiprocessing"])
def test_backends_that_joblib_was_told_to_use_do_the_work(backend):
    joblib = pytest.importorskip("joblib")
    with joblib.parallel_config(backend=backend, n_jobs=2):
        assert dict(each(squared, range(30))) == {n: n * n for n in range(30)}


@pytest.fixture(scope="module")
def cluster():
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, host="127.0.0.1"
    ) as made:
        yield made


@pytest.mark.filterwarnings("ignore")
def test_dask_workers_do_the_work_and_one_may_be_killed(cluster, tmp_path):
    joblib = pytest.importorskip("joblib")
    from distributed import Client

    with Client(cluster.scheduler_address), joblib.parallel_config(backend="dask"):
        assert dict(each(squared, range(30))) == {n: n * n for n in range(30)}
        found = list(each(partial(deadly_once, tmp_path), range(40)))
    assert sorted(found) == [(n, n) for n in range(40)]


def test_workers_that_cannot_be_reached_any_more_are_an_error(monkeypatch):
    def broken(*_args):
        raise RuntimeError("no cluster")

    monkeypatch.setattr("fluctlab.parallel._parallel", broken)
    with pytest.raises(FluctlabError, match="workers cannot be"):
        list(each(squared, range(10), n_jobs=2))
