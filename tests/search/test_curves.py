"""Curves by step: who stands where, and who is forgotten or left out."""

import math

from sweep.search.curves import Curves


def test_a_standing_has_everyone_who_reached_the_step() -> None:
    standing = Curves.of({3: {1: 0.5, 2: 0.7}, 4: {1: 0.1}}).at(2)
    assert (standing.numbers.tolist(), standing.values.tolist()) == ([3], [0.7])
    assert standing.best.tolist() == [0.5]


def test_nobody_stands_at_a_step_that_nobody_reached() -> None:
    assert Curves.of({3: {1: 0.5}}).at(9).numbers.tolist() == []


def test_what_is_not_a_number_is_worst_and_leaves_the_best_as_it_is() -> None:
    standing = Curves.of({0: {1: 0.5, 2: math.nan}}).at(2)
    assert (standing.values.tolist(), standing.best.tolist()) == ([math.inf], [0.5])


def test_a_trial_that_begins_anew_is_forgotten_at_every_step() -> None:
    curves = Curves.of({0: {1: 0.1, 2: 0.2}, 1: {1: 0.3, 2: 0.4}})
    curves.forget(0)
    curves.report(0, 1, 0.9, 0.9)
    assert dict(zip(curves.at(1).numbers.tolist(), curves.at(1).best.tolist(), strict=True)) == {
        0: 0.9,
        1: 0.3,
    }
    assert curves.at(2).numbers.tolist() == [1]


def test_the_invalid_are_left_out_until_they_are_valid_again() -> None:
    curves = Curves.of({0: {1: 0.1}, 1: {1: 0.3}})
    curves.leave_out(frozenset([0]))
    assert curves.at(1).numbers.tolist() == [1]
    curves.leave_out(frozenset())
    assert curves.at(1).numbers.tolist() == [0, 1]
