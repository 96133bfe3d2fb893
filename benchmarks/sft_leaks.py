"""python -m benchmarks.sft_leaks [--quick]: of our own questions in other words, how many does the export recognise?"""

from __future__ import annotations

import sys

from eval.consistency import read_rewordings
from eval.datasets.own import own_questions
from eval.sft.leaks import KeepOut, Leaks
from eval.sft.records import Draft
from mlrag.embedding.load import load_embedder
from mlrag.languages import language, languages


def main() -> None:
    embedder = load_embedder()
    print("lang  limit  reworded questions recognised  other topic's questions taken for one")  # noqa: T201
    total = [0, 0]
    for lang in ["si", "zh"] if "--quick" in sys.argv else languages():
        own = own_questions(lang)
        again = [Draft(e) for e in read_rewordings(lang, own)]
        leaks = Leaks(KeepOut([], {(lang, e.question): e.id for e in own}), language(lang), embedder)
        found = {out.id for out in leaks.check_questions(again)}
        other = [Draft(e) for e in own_questions(lang, "calibration")]
        wrong = len(leaks.check_questions(other))
        total = [total[0] + len(found), total[1] + len(again)]
        print(f"{lang}  {leaks.near:.3f}  {len(found)} of {len(again)}  {wrong} of {len(other)}")  # noqa: T201
    print(f"all  {total[0]} of {total[1]}")  # noqa: T201


if __name__ == "__main__":
    main()
