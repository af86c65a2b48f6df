"""A word n-gram of the training transcripts, to choose among a beam's hypotheses.

Witten-Bell smoothing (Witten and Bell, 1991), interpolated: with c(h, w) the count
of a word w after the history h, c(h) their sum and t(h) how many different words
were seen there,

    P(w | h) = (c(h, w) + t(h) P(w | h')) / (c(h) + t(h)),     h' one word shorter

and at the end an even share for each known word and one for all others. Asked
with SpeechBrain's ``BackoffNgramLM``; no package is needed. For a large corpus,
give SpeechBrain's ``CTCBeamSearcher`` a kenlm model instead.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from speechbrain.lm.ngram import BackoffNgramLM

__all__ = ["WordLM"]

START, END, UNKNOWN = "<s>", "</s>", "<unk>"


class WordLM:
    """A word n-gram, and the choice among hypotheses with it.

    Arguments
    ---------
    sentences : iterable of str
        Words with spaces between.
    order : int
        Words that are looked at together.
    weight : float
        Of the model's log probability beside the beam's score.
    word_bonus : float
        Added for each word: a model of words prefers few of them.

    Raises
    ------
    ValueError
        If there are no sentences, or the order is not positive.

    Example
    -------
    >>> lm = WordLM(["GO ON", "GO BACK", "STOP"], order=2)
    >>> lm.log_probability("GO ON") > lm.log_probability("ON GO")
    True
    """

    def __init__(
        self,
        sentences: Iterable[str],
        order: int = 2,
        weight: float = 0.5,
        word_bonus: float = 1.0,
    ):
        texts = [sentence.split() for sentence in sentences]
        if not texts or order < 1:
            raise ValueError(
                f"{len(texts)} sentences, order={order}; give 1 or more of both."
            )
        self.order, self.weight, self.word_bonus = order, weight, word_bonus
        counts: list[dict[tuple[str, ...], Counter[str]]] = [
            defaultdict(Counter) for _ in range(order)
        ]
        for words in texts:
            padded = [START, *words, END]
            for place in range(1, len(padded)):
                for size in range(min(order, place + 1)):
                    history = tuple(padded[place - size : place])
                    counts[size][history][padded[place]] += 1
        self.known = set(counts[0][()])
        self.lm = _smoothed(counts)

    def log_probability(self, sentence: str) -> float:
        """Compute the natural logarithm of a sentence's probability, its end included."""
        words = [word if word in self.known else UNKNOWN for word in sentence.split()]
        padded = [START, *words, END]
        return sum(
            self.lm.logprob(
                padded[place], tuple(padded[max(0, place - self.order + 1) : place])
            )
            for place in range(1, len(padded))
        )

    def best(self, hypotheses: Sequence[Any]) -> str:
        """Choose among the hypotheses of an utterance.

        Arguments
        ---------
        hypotheses : sequence of CTCHypothesis
            What SpeechBrain's ``CTCBeamSearcher`` found, with ``text`` and
            ``score``, a natural logarithm.

        Returns
        -------
        str
            The text of the best.
        """

        def total(hypothesis: Any) -> float:
            text = hypothesis.text
            words = self.word_bonus * len(text.split())
            return hypothesis.score + self.weight * self.log_probability(text) + words

        return max(hypotheses, key=total).text


def _smoothed(counts: list[dict[tuple[str, ...], Counter[str]]]) -> BackoffNgramLM:
    """Turn counts by history length into log probabilities."""
    even = 1 / (len(counts[0][()]) + 1)
    ngrams: dict[int, dict[tuple[str, ...], dict[str, float]]] = {}
    backoffs: dict[int, dict[tuple[str, ...], float]] = {}
    for size, histories in enumerate(counts):
        ngrams[size + 1], backoffs[size] = {}, {}
        # Of the orders below, all of which are there by now.
        shorter = BackoffNgramLM(dict(ngrams), dict(backoffs)) if size else None
        for history, seen in histories.items():
            kinds, total = len(seen), sum(seen.values())
            share = kinds / (total + kinds)
            backoffs[size][history] = math.log(share)
            words = {
                word: (count + kinds * _below(shorter, word, history, even))
                / (total + kinds)
                for word, count in seen.items()
            }
            if not size:
                words[UNKNOWN] = share * even
            ngrams[size + 1][history] = {
                word: math.log(value) for word, value in words.items()
            }
    del backoffs[0]  # below one word there is nothing to fall back on
    return BackoffNgramLM(ngrams, backoffs)


def _below(
    shorter: BackoffNgramLM | None, word: str, history: tuple[str, ...], even: float
) -> float:
    """Compute the probability of a word after a history one word shorter."""
    return even if shorter is None else math.exp(shorter.logprob(word, history[1:]))
