"""What callers of Azure's package do with pollers and lists."""

from __future__ import annotations

import threading

import pytest

from batchmagic.entities import BatchEndpoint, Listing
from batchmagic.sdk.pollers import LROPoller, finished


def test_a_callback_comes_at_once_when_the_operation_has_ended():
    heard = []
    poller = finished(7)
    poller.add_done_callback(heard.append)
    assert heard == [poller]
    with pytest.raises(ValueError, match="called already"):
        poller.remove_done_callback(heard.append)


def test_a_callback_comes_when_the_operation_ends():
    ended, heard = threading.Event(), threading.Event()
    removed = []
    poller = LROPoller(lambda: (ended.is_set(), 7))
    poller.add_done_callback(lambda found: heard.set() if found.result() == 7 else None)
    poller.add_done_callback(removed.append)
    poller.remove_done_callback(removed.append)
    assert not heard.is_set()
    ended.set()
    assert heard.wait(20)
    assert removed == []


def test_a_list_is_read_like_azures():
    listing = Listing([BatchEndpoint(name=name) for name in ("one", "two")], kind="endpoint")
    assert [next(listing).name, listing.next().name] == ["one", "two"]
    with pytest.raises(StopIteration):
        next(listing)
    assert [item.name for item in listing] == ["one", "two"]
    assert [[item.name for item in page] for page in listing.by_page()] == [["one", "two"]]
