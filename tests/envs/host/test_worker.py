"""A worker waits for commands: without sleeping only where they come quickly."""

from __future__ import annotations

import socket
import threading

import pytest

from envs.host import worker as module
from envs.host.channel import STEP, Channel
from envs.host.worker import Worker


class Recorded:
    """A poll object, and how it was asked: `()` sleeps until there is something."""

    def __init__(self, poll):
        self.inner, self.asked = poll, []

    def poll(self, *arguments):
        self.asked.append(arguments)
        return self.inner.poll(*arguments)


@pytest.fixture
def pair(monkeypatch):
    monkeypatch.setattr(module, "_AWAKE_SECONDS", 0.5)
    ours, theirs = socket.socketpair()
    parent, worker = Channel(ours), Worker(Channel(theirs))
    worker.poll = Recorded(worker.poll)  # type: ignore[assignment]
    yield parent, worker
    parent.close()
    worker.channel.close()


def waits(worker, parent, seconds):
    """Whether the worker slept while a command was `seconds` away."""
    worker.poll.asked.clear()
    later = threading.Timer(seconds, parent.send_pair, (STEP, 1, 0))
    later.start()
    worker.stay_awake()
    later.join()
    assert worker.channel.receive() == (STEP, (1, 0))
    return () in worker.poll.asked


def test_after_a_quick_command_it_looks_out_without_sleeping(pair):
    parent, worker = pair
    assert waits(worker, parent, 0.05)  # nothing was quick so far
    assert worker.soon
    assert not waits(worker, parent, 0.05)
    assert worker.soon and len(worker.poll.asked) > 1


def test_after_a_slow_command_it_sleeps(pair):
    parent, worker = pair
    worker.soon = True
    assert waits(worker, parent, 1.0)  # it gave up looking out
    assert not worker.soon
    assert waits(worker, parent, 0.05)


def test_a_command_that_is_there_is_not_waited_for(pair):
    parent, worker = pair
    for _ in range(2):  # both are read at once
        parent.send_pair(STEP, 1, 0)
    worker.stay_awake()
    assert worker.soon and () not in worker.poll.asked
    assert worker.channel.receive() == (STEP, (1, 0)) and worker.channel.pending()
    worker.poll.asked.clear()
    worker.stay_awake()
    assert worker.poll.asked == []
