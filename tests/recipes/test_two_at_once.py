"""Splits are worked at in pairs where there are workers."""

import threading
import time
from concurrent.futures import Executor

import pytest

from precondbench.errors import MissingDataError
from precondbench.recipes import BuildContext, select_plans, two_at_once

PLANS = select_plans("synthetic-tridiag", "1.0", "uniform")[:3]


def context_of(seen):
    def progress(done, total, name):
        seen.append((done, total))

    return BuildContext(executor=Executor(), progress=progress)


def test_one_after_the_other_without_workers():
    context = BuildContext()
    found = two_at_once(PLANS, lambda plan, own: (plan.split, own is context), context)
    assert found == [(plan.split, True) for plan in PLANS]


def test_a_split_begins_before_the_one_before_ends():
    seen, meeting = [], threading.Barrier(2, timeout=10)

    def work(plan, context):
        if plan is not PLANS[2]:
            meeting.wait()
        context.progress(1, plan.count, "x")
        return plan.split

    found = two_at_once(PLANS, work, context_of(seen))
    assert found == [plan.split for plan in PLANS]
    total = sum(plan.count for plan in PLANS)
    assert sorted(seen) == seen
    assert seen[-1] == (total, total)


def test_after_a_failure_nothing_begins():
    begun = []

    def work(plan, context):
        begun.append(plan.split)
        time.sleep(0.05 * (len(begun) > 1))
        raise MissingDataError(plan.split)

    plans = PLANS * 20
    with pytest.raises(MissingDataError, match=plans[0].split):
        two_at_once(plans, work, context_of([]))
    assert len(begun) < len(plans)
