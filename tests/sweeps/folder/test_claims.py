"""Of all who try, one gets the work; from the dead one inherits."""

from __future__ import annotations

import threading

import pytest

from pcrnet.sweeps.folder.claims import Claims
from pcrnet.sweeps.folder.workers import Watcher


@pytest.fixture
def crew(tmp_path):
    """Claims of workers by name; ``dead`` names those that have died."""
    dead = set()

    class Told(Watcher):
        def is_dead(self, worker):
            return worker in dead

    def of(name):
        return Claims(tmp_path / "claims", name, Told(tmp_path / "workers", 1.0))

    return of, dead


def test_of_sixteen_who_try_at_once_one_gets_it(crew):
    of, _ = crew
    got, start = [], threading.Barrier(16)

    def attempt(name):
        start.wait()
        if of(name).take("trial", "fit") is not None:
            got.append(name)

    threads = [threading.Thread(target=attempt, args=(f"worker {i}",)) for i in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 1


def test_the_dead_are_inherited_from_once(crew):
    of, dead = crew
    assert of("first").take("trial", "fit").generation == 0
    assert of("second").take("trial", "fit") is None
    dead.add("first")
    heir = of("second").take("trial", "fit")
    assert heir.generation == 1
    assert of("third").take("trial", "fit") is None
    assert of("second").held("trial") == set()
    assert of("third").held("trial") == {"fit"}


def test_who_was_only_slow_finds_out(crew):
    of, dead = crew
    claim = of("first").take("trial", "fit")
    assert not claim.is_lost()
    dead.add("first")
    of("second").take("trial", "fit")
    assert claim.is_lost()


def test_what_is_freed_can_be_taken_although_its_owner_lives(crew):
    of, _ = crew
    of("first").take("trial", "fit").free()
    assert of("second").take("trial", "fit").generation == 1


def test_names_with_dots_and_numbers_are_told_apart(crew):
    of, _ = crew
    for name in ("without-0", "without-0-1", "judge", "a.1"):
        assert of("first").take("trial", name).generation == 0
    assert of("first").generations("trial") == {
        "without-0": 0, "without-0-1": 0, "judge": 0, "a.1": 0
    }  # fmt: skip
