"""The quick forms of scores give what the tools and the definitions give, on our questions in all 16 languages."""

from collections import Counter

import pytest
import regex

from eval.datasets.own import own_questions
from eval.metrics.answers import char3_recall, containment, grams, normal, token_f1
from eval.metrics.grounding import MIN_GRAMS, support
from mlrag.languages import language, languages
from mlrag.text.tokens import scoring_tokens

LANGS = sorted(languages())


def replies(lang):
    """Replies and their references: the question, another question's answer, a sentence with the answer inside."""
    examples = [e for e in own_questions(lang) if e.answers][::4]
    sentence = language(lang).sample_sentences[0]
    for example, other in zip(examples, [*examples[1:], examples[0]], strict=True):
        for text in ("", example.question, other.answers[0], f"{sentence} {example.answers[-1]}s {other.answers[0]}"):
            yield text, example.answers


@pytest.mark.parametrize("lang", LANGS)
def test_tokens_and_grams_are_compared_as_defined(lang):
    pack = language(lang)
    for text, references in replies(lang):
        got, wanted = Counter(scoring_tokens(text, pack)), [Counter(scoring_tokens(r, pack)) for r in references]
        assert token_f1(text, references, pack) == max(2 * (got & w).total() / (got + w).total() for w in wanted)
        shares = [(grams(text, pack) & grams(r, pack)).total() / grams(r, pack).total() for r in references]
        assert char3_recall(text, references, pack) == max(shares)
        assert containment(text, references, pack) == float(any(stands(r, text, pack) for r in references))


def stands(reference, text, pack):
    """As `containment` says it, in one regular expression."""
    tokens, wanted = scoring_tokens(text, pack), scoring_tokens(reference, pack)
    if any(tokens[i : i + len(wanted)] == wanted for i in range(len(tokens))):
        return True
    part = normal(reference, pack)
    inside, number = sum(c.isalpha() for c in part) >= 4, part[-1].isdecimal()
    korean = regex.search(r"\p{Hangul}", part) and regex.fullmatch(r"[\p{Hangul}\p{Nd}. ]*", part)
    before = r"(?<!\d)(?<!\d\.)" if inside else r"(?<![\p{L}\p{M}\p{N}])(?<!\d\.)"
    after = r"(?!\d|\.\d)" if number else ""
    found = regex.search(before + regex.escape(part) + after, normal(text, pack))
    return bool((inside or number or korean) and found)


@pytest.mark.parametrize("lang", LANGS)
def test_support_is_the_share_of_distinct_grams(lang):
    pack = language(lang)
    passages = [" ".join(pack.sample_sentences[i::2]) for i in range(2)]
    for sentence in (*pack.sample_sentences, *pack.sample_questions):
        said, held = set(grams(sentence, pack)), [set(grams(p, pack)) for p in passages]
        share = max(len(said & h) / len(said) for h in held) if len(said) >= MIN_GRAMS else None
        assert support(sentence, passages, pack) == share
