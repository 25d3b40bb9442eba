"""A thread that works ahead changes neither what comes nor what goes wrong, and does not stay."""

import threading
import time

import pytest
import torch

from pcrnet.data.ahead import made_ahead, one_thread_less


def _threads():
    return [thread for thread in threading.enumerate() if thread.name == "batches ahead"]


def test_all_items_come_in_their_order():
    assert list(made_ahead(range(20), lambda number: number * number)) == [n * n for n in range(20)]
    assert list(made_ahead([], str)) == []
    assert not _threads()


def test_the_next_is_made_while_the_last_is_used_and_no_more_than_two_wait():
    begun = []
    items = made_ahead(range(10), lambda number: begun.append(number) or number)
    assert begun == []  # an epoch's order is known when its first batch is asked for
    assert next(items) == 0
    deadline = time.monotonic() + 20
    while len(begun) < 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.1)
    assert begun == [0, 1, 2]  # one lies ready, and one is in hand
    items.close()
    assert not _threads()


@pytest.mark.parametrize("where", ["raw", "make"])
def test_an_error_is_raised_in_its_place(where):
    def raw():
        yield 1
        if where == "raw":
            raise LookupError("of the second")
        yield 0

    items = made_ahead(raw(), lambda number: 1 // number if number else _fail())
    assert next(items) == 1
    with pytest.raises(LookupError, match="of the second"):
        next(items)
    assert not _threads()


def _fail():
    raise LookupError("of the second")


def test_who_stops_asking_ends_the_thread():
    for _ in range(3):
        for item in made_ahead(range(100), str):
            assert item == "0"
            break
    deadline = time.monotonic() + 20
    while _threads() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not _threads()


def test_a_core_is_left_to_the_thread_and_given_back():
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        with one_thread_less(True):
            assert torch.get_num_threads() == 2
            assert list(made_ahead(range(2), lambda item: torch.get_num_threads())) == [1, 1]
            assert torch.get_num_threads() == 2
        assert torch.get_num_threads() == 3
        with one_thread_less(False):
            assert torch.get_num_threads() == 3
        torch.set_num_threads(1)
        with one_thread_less(True):
            assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)
