"""A schedule by the clock: complete when the time is over, whatever a step takes."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dac_lobe.nnet.time_budget import TimeBudget


class Clock:
    """Seconds that pass when the test says so."""

    def __init__(self):
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def run(budget: TimeBudget, clock: Clock, seconds) -> list[float]:
    """Take steps until the budget is spent; shares after each."""
    shares = []
    for step in seconds:
        if budget.spent:
            break
        clock.now += step
        budget.advance()
        shares.append(float(budget.share))
    return shares


@given(st.lists(st.floats(0.01, 30), min_size=400, max_size=400), st.floats(0.1, 1))
def test_ends_in_time_with_the_schedule_complete(steps, until):
    """Some steps are far longer than what one may count."""
    clock = Clock()
    budget = TimeBudget(1.0, until, clock=clock)
    shares = run(budget, clock, [*steps, *[1.0] * 60])
    assert budget.spent
    assert shares == sorted(shares)
    assert shares[-1] == pytest.approx(until)
    # The last step may begin just before the end.
    assert clock.now - 100 <= 60 + max(steps)


def test_steady_steps_make_a_straight_line():
    clock = Clock()
    budget = TimeBudget(1.0, clock=clock)
    shares = run(budget, clock, [0.5] * 1000)
    assert len(shares) == 120
    assert shares[59] == pytest.approx(0.5)


def test_compilation_is_no_training():
    """A step of half the time counts two seconds; the others make up for it."""
    clock = Clock()
    budget = TimeBudget(1.0, longest_step=2.0, clock=clock)
    shares = run(budget, clock, [30.0, *[1.0] * 100])
    assert shares[0] == pytest.approx(2 / 60)
    assert shares[15] == pytest.approx((1 + 2 / 60) / 2)
    assert shares[-1] == 1.0


def test_calls_share_one_schedule():
    clock = Clock()
    first = TimeBudget(1.0, until=0.5, clock=clock)
    run(first, clock, [1.0] * 100)
    second = TimeBudget(2.0, clock=clock)
    second.load_state_dict(first.state_dict())
    assert second.position(1000) == 500
    shares = run(second, clock, [1.0] * 200)
    assert len(shares) == 120
    assert shares[59] == pytest.approx(0.75)


def test_a_schedule_that_is_behind_is_not_taken_back():
    clock = Clock()
    budget = TimeBudget(1.0, until=0.3, clock=clock)
    budget.load_state_dict({"share": torch.tensor(0.6, dtype=torch.float64)})
    assert budget.spent
    budget.advance()
    assert budget.position(10) == 6


@pytest.mark.parametrize(
    ("options", "said"), [((0.0,), "minutes: 0.0"), ((1.0, 1.5), "until: 1.5")]
)
def test_what_is_no_time_is_named(options, said):
    with pytest.raises(ValueError, match=said):
        TimeBudget(*options)
