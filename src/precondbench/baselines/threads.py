"""How many processor threads torch uses, for a while."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

__all__ = ["cpu_threads"]


@contextmanager
def cpu_threads(count: int) -> Iterator[None]:
    """Let torch use ``count`` threads of the processor inside the block.

    The tensors of a small graph are done before a second thread has woken up. Where cores are
    shared with other processes, threads that wait for each other slowed a training step down
    200 times. One thread also fixes the order of summation, whatever the machine.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
