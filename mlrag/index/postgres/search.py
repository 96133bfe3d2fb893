"""Hybrid search in one round trip: both rankers, the pool, the fusion, the passages and their sentences in one
statement.

The formulas are those of `mlrag.index.fusion` and of Tantivy's BM25 (k1 = 1.2, b = 0.75), with lengths rounded as
Tantivy rounds them. Scores are the embedded index's, within float rounding: the pool is found with the question in
float16, and scored with it in float32.

The lexical ranker skips what MaxScore (Turtle and Flood, 1995) would skip, and finds the same: `first` are the scores
by the rarest tokens, `probed` the best of these, whose whole scores give `floor`, which the hundredth best has to
reach. Tokens that can give no more than a part of that together (`most`: the sum of a token's bound and all smaller
ones) are not read: for passages that may still reach the floor (`possible`) their postings, which are sorted, are
bisected.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, LiteralString

from pgvector import HalfVector, Vector
from psycopg.sql import SQL, Composed, Literal

from mlrag.index import fusion
from mlrag.index.fusion import DENSE_WEIGHT, EQUAL, POOL
from mlrag.index.postgres.postings import K1, B, key
from mlrag.index.postgres.postings_table import table
from mlrag.index.postgres.store import unpack_sentences
from mlrag.index.protocol import Ranker, SearchQuery
from mlrag.text.tokens import tokens
from mlrag.types import Hit, Passage, Span, Vectors

_READ = 8000  # postings of the rarest tokens, read first
_PART = 0.5  # of the score to reach: tokens that give less than this together are only looked up
_SAFE = 1e-6  # for the rounding of bounds
_ALLOWED: LiteralString = "AND (%(only)s::text[] IS NULL OR doc_id = ANY(%(only)s)) AND doc_id <> ALL(%(exclude)s)"
_ALLOWED_ROW: LiteralString = "AND row IN (SELECT row FROM mlrag.passage WHERE lang = %(lang)s " + _ALLOWED + ")"
_WEIGHT: LiteralString = """value * (posting & 65535) / ((posting & 65535) + base + slope * (posting >> 16 & 65535))"""
_READ_ALL: LiteralString = (
    "SELECT posting >> 32 AS row, " + _WEIGHT + " AS score FROM (SELECT value, base, slope, unnest(packed) AS posting "
    "FROM lists WHERE "
)
_LOOK_UP: LiteralString = (
    "SELECT row, " + _WEIGHT + " AS score FROM (SELECT row, value, base, slope, "
    "packed[width_bucket(((row + 1) << 32) - 1, packed)] AS posting FROM lists, "
)
_TOTAL: LiteralString = "SELECT row, sum(score) AS score FROM ("
_LIVE: LiteralString = """) AS scores
    GROUP BY row HAVING row NOT IN (SELECT row FROM mlrag.gone WHERE lang = %(lang)s) {row_filter}"""
_RANKERS: LiteralString = (
    """
WITH held AS MATERIALIZED (SELECT commit, stamp, embedder, passages, {k1}::float8 * (1 - {b}::float8) AS base,
        tokens / greatest(passages, 1)::float8 AS average, {k1}::float8 * {b}::float8 * passages / greatest(tokens, 1)
        AS slope
    FROM mlrag.language WHERE lang = %(lang)s),
counted AS MATERIALIZED (SELECT token, number, ln(1 + (passages - least(number, passages) + 0.5::float8)
        / (number + 0.5::float8)) AS idf, bound, base, slope
    FROM held, unnest(%(tokens)s::text[]) AS asked (token), LATERAL (SELECT sum(p.number) AS number,
        max(least(1, p.bound * greatest(1, held.average / p.average))) AS bound
        FROM {table} AS p WHERE p.token = asked.token) AS found WHERE number > 0),
weighed AS (SELECT token, value, base, slope, early, sum(value * bound * (1 + {safe}))
        OVER (PARTITION BY early ORDER BY value * bound, token) AS most
    FROM (SELECT token, bound, base, slope, (1 + {k1}::float8) * idf AS value,
        sum(number) OVER (ORDER BY number, token) - number < {read} AS early FROM counted
        WHERE idf >= {telling} OR (SELECT max(idf) FROM counted) < {telling}
            OR (SELECT passages FROM held) < {large}) AS c),
lists AS MATERIALIZED (SELECT value, base, slope, early, most, packed || '{{}}' AS packed
    FROM weighed JOIN {table} USING (token)),
first AS MATERIALIZED ("""
    + _TOTAL
    + _READ_ALL
    + "early) AS posted"
    + _LIVE
    + """),
probed AS (SELECT row, score FROM first ORDER BY score DESC LIMIT {most} * 3 / 2),
floor AS MATERIALIZED (SELECT coalesce((SELECT sum(score) AS score FROM (SELECT * FROM probed UNION ALL """
    + _LOOK_UP
    + """probed WHERE NOT early OFFSET 0) AS looked WHERE posting >> 32 = row) AS scores
    GROUP BY row ORDER BY score DESC OFFSET {most} - 1 LIMIT 1), 0) * (1 - {safe}) AS low),
second AS MATERIALIZED ("""
    + _TOTAL
    + "SELECT * FROM first UNION ALL "
    + _READ_ALL
    + "NOT early AND lists.most >= (SELECT low * {part} FROM floor)) AS posted"
    + _LIVE
    + """),
possible AS MATERIALIZED (SELECT row, score FROM second WHERE score >= (SELECT low FROM floor)
    - coalesce((SELECT max(most) FROM lists WHERE NOT early AND most < (SELECT low * {part} FROM floor)), 0)),
matched AS MATERIALIZED ("""
    + _TOTAL
    + "SELECT * FROM possible UNION ALL "
    + _LOOK_UP
    + """possible WHERE NOT early AND lists.most < (SELECT low * {part} FROM floor) OFFSET 0) AS looked
    WHERE posting >> 32 = row) AS scores GROUP BY row ORDER BY score DESC, row LIMIT {most}),
near AS (SELECT row FROM mlrag.passage WHERE lang = %(lang)s {filter}
    ORDER BY vector::halfvec({dim}) <#> %(vector)b::halfvec({dim}) LIMIT {most})
"""
)
_SEARCH: LiteralString = """,
scored AS (SELECT p.row, -(p.vector::vector({dim}) <#> %(exact)b::vector({dim})) AS dense,
        coalesce(m.score, 0) AS lexical
    FROM (SELECT row FROM near UNION SELECT row FROM matched) pool
    JOIN mlrag.passage p ON p.lang = %(lang)s AND p.row = pool.row LEFT JOIN matched m ON m.row = pool.row),
level AS (SELECT avg(dense) AS dm, stddev_pop(dense) AS ds, avg(lexical) AS lm, stddev_pop(lexical) AS ls FROM scored),
best AS (SELECT row, dense, lexical, {weight} * CASE WHEN ds > {equal} THEN (dense - dm) / ds ELSE 0 END
        + %(readable)s::int * CASE WHEN ls > {equal} THEN (lexical - lm) / ls ELSE 0 END AS fused
    FROM scored, level ORDER BY fused DESC, row LIMIT %(k)s)
SELECT h.commit, h.stamp, h.embedder, h.passages, (SELECT json_object_agg(token, idf) FROM counted),
    b.fused, b.dense, b.lexical, p.id, p.doc_id, p.start, p."end", p.text, d.title, p.starts, p.ends, p.vectors
FROM held h LEFT JOIN (best b JOIN mlrag.passage p ON p.lang = %(lang)s AND p.row = b.row
    JOIN mlrag.document d ON d.lang = %(lang)s AND d.id = p.doc_id) ON true
ORDER BY b.fused DESC, b.row
"""
_ONE_RANKER: dict[Ranker, LiteralString] = {
    "dense": "SELECT p.id FROM near JOIN mlrag.passage p ON p.lang = %(lang)s AND p.row = near.row "
    "ORDER BY vector::halfvec({dim}) <#> %(vector)b::halfvec({dim}), p.row",
    "lexical": "SELECT p.id, score FROM matched JOIN mlrag.passage p ON p.lang = %(lang)s AND p.row = matched.row "
    "ORDER BY score DESC, p.row",
}


def statement(query: SearchQuery, lang: str) -> Composed:
    """Return the statement of a whole search."""
    return _fill(_RANKERS + _SEARCH, query, POOL, lang)


def ranker_statement(query: SearchQuery, ranker: Ranker, lang: str) -> Composed:
    """Return the statement of one ranker: passage ids, with BM25's scores where it is the lexical one."""
    return _fill(_RANKERS + _ONE_RANKER[ranker], query, query.k, lang)


def _fill(template: LiteralString, query: SearchQuery, most: int, lang: str) -> Composed:
    filtered = query.only is not None or bool(query.exclude)
    return SQL(template).format(
        dim=Literal(len(query.vector)),
        most=Literal(most),
        weight=Literal(DENSE_WEIGHT),
        equal=Literal(EQUAL),
        k1=Literal(K1),
        b=Literal(B),
        safe=Literal(_SAFE),
        read=Literal(_READ),
        part=Literal(_PART),
        telling=Literal(fusion.TELLING),
        large=Literal(fusion.LARGE),
        table=table(lang),
        filter=SQL(_ALLOWED if filtered else ""),
        row_filter=SQL(_ALLOWED_ROW if filtered else ""),
    )


def values(query: SearchQuery, lang: str) -> dict[str, Any]:
    """Return the values of the statement's placeholders."""
    return {
        "lang": lang,
        "tokens": list(dict.fromkeys(map(key, tokens(query.question)))),
        "vector": HalfVector(query.vector),
        "exact": Vector(query.vector),
        "readable": query.readable,
        "only": None if query.only is None else sorted(query.only),
        "exclude": sorted(query.exclude),
        "k": query.k,
    }


def idf(question: str, known: dict[str, float] | None, passages: int) -> dict[str, float]:
    """Return the idf by token, also of those that no passage has."""
    nowhere = math.log(1 + (passages + 0.5) / 0.5)
    return {t: float((known or {}).get(key(t), nowhere)) for t in dict.fromkeys(tokens(question))}


def hit(row: Sequence[Any], lang: str) -> Hit:
    """Read the hit of a row of `statement`."""
    fused, dense, lexical, name, doc_id, start, end, text, title = row[5:14]
    return Hit(Passage(name, doc_id, lang, start, end, text, title), float(fused), float(dense), float(lexical))


def sentences(row: Sequence[Any]) -> tuple[list[Span], Vectors]:
    """Read the sentences of a row of `statement`, with their vectors."""
    return unpack_sentences(*row[14:17])
