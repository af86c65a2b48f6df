"""The word n-gram: a distribution, the formula, and what it changes."""

from __future__ import annotations

import math
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dac_lobe.nnet.word_lm import END, START, UNKNOWN, WordLM

sentences = st.lists(
    st.lists(st.sampled_from("ABCD"), max_size=5).map(" ".join), min_size=1, max_size=8
)


class Found(NamedTuple):
    text: str
    score: float


@given(sentences, st.integers(1, 3), st.lists(st.sampled_from("ABCDX"), max_size=3))
def test_sums_to_one_after_every_history(texts, order, history):
    lm = WordLM(texts, order)
    history = (START, *(word if word in lm.known else UNKNOWN for word in history))
    # Its own unknown share is for all words that were never seen, together.
    total = sum(
        math.exp(lm.lm.logprob(word, history[-order + 1 :] if order > 1 else ()))
        for word in lm.known | {UNKNOWN}
    )
    assert total == pytest.approx(1.0)


def test_the_formula():
    """Counted by hand: A B, A C; vocabulary A, B, C, the end, and one for the rest."""
    lm = WordLM(["A B", "A C"], order=2)
    unigram = {
        word: (count + 4 / 5) / (6 + 4)
        for word, count in {"A": 2, "B": 1, "C": 1, END: 2}.items()
    }
    after_start = (2 + 1 * unigram["A"]) / (2 + 1)
    after_a = (1 + 2 * unigram["B"]) / (2 + 2)
    after_b = (1 + 1 * unigram[END]) / (1 + 1)
    expected = math.log(after_start * after_a * after_b)
    assert lm.log_probability("A B") == pytest.approx(expected)


def test_chooses_what_was_said_in_training():
    lm = WordLM(["TWO THREE", "TWO FOUR"], weight=1.0, word_bonus=0.0)
    beam = [Found("TOO THREE", -1.0), Found("TWO THREE", -1.2)]
    assert lm.best(beam) == "TWO THREE"
    lm.weight = 0.0
    assert lm.best(beam) == "TOO THREE"


def test_words_are_counted():
    lm = WordLM(["A A"], weight=0.0, word_bonus=1.0)
    assert lm.best([Found("A", 0.0), Found("A A A", -1.0)]) == "A A A"


def test_nothing_to_learn_from():
    with pytest.raises(ValueError, match="0 sentences, order=2"):
        WordLM([])
