"""A thread that works ahead changes neither what comes nor what goes wrong, and does not stay."""

import threading
import time

import pytest
import torch

from pcrnet.data.ahead import MadeAhead, one_thread_less


def _threads():
    return [one for one in threading.enumerate() if one.name.startswith("batches ahead")]


@pytest.fixture
def ahead():
    opened = []

    def begin(items):
        opened.append(MadeAhead(iter(items)))
        return opened[-1]

    yield begin
    for one in opened:
        one.close()
    assert not _threads()


def test_all_items_come_in_their_order(ahead):
    items = ahead(number * number for number in range(20))
    for expected in range(20):
        assert next(items) == expected * expected
        items.begin()
    assert list(items) == []
    assert list(ahead([])) == []


def test_one_is_made_while_the_last_is_used_and_no_other_before_it_is_asked_for(ahead):
    begun = []
    items = ahead(begun.append(number) or number for number in range(10))
    time.sleep(0.05)
    assert begun == []  # an epoch's order is known when its first batch is asked for
    assert next(items) == 0
    for _ in range(3):
        items.begin()
    deadline = time.monotonic() + 20
    while len(begun) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.05)
    assert begun == [0, 1]
    assert next(items) == 1
    assert begun == [0, 1]


def test_an_error_is_raised_in_its_place(ahead):
    def numbers():
        yield 1
        raise LookupError("of the second")

    items = ahead(numbers())
    items.begin()
    assert next(items) == 1
    items.begin()
    with pytest.raises(LookupError, match="of the second"):
        next(items)


def test_to_close_waits_for_what_is_in_hand_and_asks_for_no_more():
    made = []

    def slow():
        for number in range(5):
            time.sleep(0.1)
            made.append(number)
            yield number

    items = MadeAhead(slow())
    items.begin()
    items.close()
    assert not _threads()
    time.sleep(0.2)
    assert made == [0]
    items.close()


def test_a_core_is_left_to_the_thread_and_given_back(ahead):
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        with one_thread_less(True):
            assert torch.get_num_threads() == 2
            assert list(ahead(torch.get_num_threads() for _ in range(2))) == [1, 1]
            assert torch.get_num_threads() == 2
        assert torch.get_num_threads() == 3
        with one_thread_less(False):
            assert torch.get_num_threads() == 3
        torch.set_num_threads(1)
        with one_thread_less(True):
            assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)
