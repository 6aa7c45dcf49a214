"""The timer of an aggregate is set for the moment at which its verdict turns."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from triggers.aggregate import Aggregate
from triggers.figure import FUNCTIONS, Bound
from triggers.key import Key
from triggers.listening import Listening
from triggers.selector import Selector
from triggers.window import FRESH, Occurrence, Tick

HEARD = Listening(Selector.parse("*"), Key())
LIMITS = {"ratio": [0.25, 0.5]}


@given(st.data(), st.sampled_from(FUNCTIONS), st.sampled_from(["above", "below"]))
def test_of_few_values_no_timer_rings_in_vain(data, function, side):
    limit = data.draw(st.sampled_from(LIMITS.get(function, [0, 2.5])))
    node = Aggregate(HEARD, function, 20, Bound(side, limit), 1, Key(), 0)
    value = st.booleans() if function == "ratio" else st.integers(-3, 5)
    state = FRESH
    for position, one in enumerate(data.draw(st.lists(value, min_size=1, max_size=12)), 1):
        time = position * 3 // 2  # some come at one moment, and leave at one
        state = node.advance(state, [Occurrence(time, position, 0, one)], time).state
    while state.due is not None:
        step = node.advance(state, Tick(state.due, 0), state.due + 1)
        assert step.fired or step.resolved, state
        state = step.state
