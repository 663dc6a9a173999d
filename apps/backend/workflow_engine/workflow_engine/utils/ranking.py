"""Which of many texts are about the words of a query: BM25."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping

_WORD = re.compile(r"[a-z0-9]+|[\u3400-\u9fff]")
_ENDINGS = ("ings", "ing", "ies", "ied", "ers", "er", "es", "ed", "s")
K, B = 1.2, 0.75
"""How soon a repeated word stops counting, and how much a long text is held back."""


class Ranking:
    """Texts by name, ready to be asked."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self._counts = {name: Counter(words(text)) for name, text in texts.items()}
        self._lengths = {name: sum(counts.values()) for name, counts in self._counts.items()}
        self._average = sum(self._lengths.values()) / max(len(texts), 1) or 1
        self._holding = Counter(word for counts in self._counts.values() for word in counts)

    def scores(self, query: str) -> dict[str, float]:
        """The names of texts that share a word with the query, with their scores, best first."""
        scores: dict[str, float] = {}
        wanted = set(words(query))
        for name, counts in self._counts.items():
            length = K * (1 - B + B * self._lengths[name] / self._average)
            score = sum(
                self._weight(word) * counts[word] * (K + 1) / (counts[word] + length)
                for word in wanted
                if word in counts
            )
            if score:
                scores[name] = score
        return dict(sorted(scores.items(), key=lambda each: -each[1]))

    def _weight(self, word: str) -> float:
        holding = self._holding[word]
        return math.log(1 + (len(self._counts) - holding + 0.5) / (holding + 0.5))


def words(text: str) -> Iterable[str]:
    """The words of a text without the endings of English grammar; Chinese by characters and pairs of them."""
    before = ""
    for word in _WORD.findall(text.lower().replace("_", " ")):
        is_chinese = word[0] > "z"
        if is_chinese and before:
            yield before + word
        before = word if is_chinese else ""
        yield word if is_chinese else _stem(word)


def _stem(word: str) -> str:
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word[: -len(ending)]
    return word
