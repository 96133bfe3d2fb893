"""The tables, as migrations that are applied in order, each once. A language has partitions of its own.

`passage.row` counts within a language. The lexical ranker has a table of its own for each language, `postings_LANG`: of
one of our own tokens, the passages of one change or, once merged, of all of them, packed as
`mlrag.index.postgres.postings` says. Rows of deleted passages stand in `gone` until a merge. `language` holds what
belongs to the whole index: the commit number, the number of passages and tokens, the cosine statistics of the vectors
(`moments`), and how many passages came or went since the last merge (`loose`).
"""

from __future__ import annotations

from typing import LiteralString

# Tables that replicas share. UNLOGGED ones cost no write-ahead log and no wait for a standby. They are empty after a
# crash of the primary and on a promoted standby, which costs cached answers and counts of limits, and nothing else.
SHARED: tuple[LiteralString, ...] = (
    """
CREATE TABLE mlrag.api_key (
    id text COLLATE "C" PRIMARY KEY, name text COLLATE "C" UNIQUE NOT NULL, salt text NOT NULL, hash text NOT NULL,
    scope text NOT NULL, languages text[] NOT NULL, created text NOT NULL)
""",
    """
CREATE UNLOGGED TABLE mlrag.rate (
    what text COLLATE "C" NOT NULL, who text COLLATE "C" NOT NULL, hits timestamptz[] NOT NULL,
    PRIMARY KEY (what, who))
""",
    """
CREATE UNLOGGED TABLE mlrag.answer (
    key text COLLATE "C" PRIMARY KEY, state text COLLATE "C" NOT NULL, made timestamptz NOT NULL,
    used timestamptz NOT NULL, body bytea NOT NULL)
""",
    "CREATE INDEX answer_by_use ON mlrag.answer (used)",
    """
CREATE TABLE mlrag.notice (
    name text COLLATE "C" PRIMARY KEY, body text NOT NULL, finished bool NOT NULL, heard timestamptz NOT NULL)
""",
    """
CREATE TABLE mlrag.spent (
    spent_in text COLLATE "C" NOT NULL, variant text COLLATE "C" NOT NULL, calls bigint NOT NULL,
    tokens bigint NOT NULL, seconds float8 NOT NULL, dollars float8 NOT NULL, PRIMARY KEY (spent_in, variant))
""",
    'CREATE TABLE mlrag.asked (asked_in text COLLATE "C" PRIMARY KEY, questions bigint NOT NULL)',
)
PACKED: tuple[LiteralString, ...] = (
    "ALTER TABLE mlrag.language ADD loose bigint NOT NULL DEFAULT 0",
    """
CREATE TABLE mlrag.gone (
    lang text NOT NULL REFERENCES mlrag.language ON DELETE CASCADE, row bigint NOT NULL, PRIMARY KEY (lang, row))
""",
    """
DO $$
DECLARE l record;
BEGIN
    FOR l IN SELECT lang, tokens / greatest(passages, 1)::float8 AS average FROM mlrag.language
            WHERE to_regclass(format('mlrag.%I', 'posting_' || lang)) IS NOT NULL LOOP
        EXECUTE format('CREATE TABLE mlrag.%1$I (token text COLLATE "C" NOT NULL, number int NOT NULL,
            bound real NOT NULL, average real NOT NULL, packed bigint[] STORAGE EXTERNAL NOT NULL)',
            'postings_' || l.lang);
        EXECUTE format('INSERT INTO mlrag.%1$I SELECT token, count(*), 1, %3$L,
            array_agg((passage << 32) | (least(length, 65535)::bigint << 16) | least(frequency, 65535)
                ORDER BY passage)
            FROM mlrag.posting WHERE lang = %2$L GROUP BY token', 'postings_' || l.lang, l.lang, l.average);
        EXECUTE format('CREATE INDEX %1$I ON mlrag.%2$I (token)', 'postings_' || l.lang || '_token',
            'postings_' || l.lang);
    END LOOP;
END $$
""",
    "DROP TABLE mlrag.posting",
)
MIGRATIONS: tuple[tuple[LiteralString, ...], ...] = (
    (
        """
CREATE TABLE mlrag.language (
    lang text COLLATE "C" PRIMARY KEY, embedder text NOT NULL DEFAULT '', engine text NOT NULL DEFAULT '',
    commit bigint NOT NULL DEFAULT 0, stamp uuid NOT NULL DEFAULT gen_random_uuid(), last_row bigint NOT NULL DEFAULT 0,
    passages bigint NOT NULL DEFAULT 0, tokens bigint NOT NULL DEFAULT 0, moments bytea)
""",
        """
CREATE TABLE mlrag.document (
    lang text NOT NULL REFERENCES mlrag.language ON DELETE CASCADE, id text COLLATE "C" NOT NULL, title text NOT NULL,
    text text NOT NULL, source text NOT NULL, hash text NOT NULL, meta json NOT NULL, PRIMARY KEY (lang, id))
""",
        """
CREATE TABLE mlrag.passage (
    lang text NOT NULL, row bigint NOT NULL, id text NOT NULL, doc_id text COLLATE "C" NOT NULL, start int NOT NULL,
    "end" int NOT NULL, text text NOT NULL, vector halfvec NOT NULL, length int NOT NULL, starts int[] NOT NULL,
    ends int[] NOT NULL, vectors bytea[] NOT NULL, PRIMARY KEY (lang, row), UNIQUE (lang, id),
    FOREIGN KEY (lang, doc_id) REFERENCES mlrag.document ON DELETE CASCADE) PARTITION BY LIST (lang)
""",
        "CREATE INDEX passage_of_document ON mlrag.passage (lang, doc_id)",
        "ALTER TABLE mlrag.passage ALTER COLUMN vector SET STORAGE PLAIN",
        """
CREATE TABLE mlrag.posting (
    lang text NOT NULL, token text COLLATE "C" NOT NULL, passage bigint NOT NULL, frequency int NOT NULL,
    length int NOT NULL, PRIMARY KEY (lang, token, passage) INCLUDE (frequency, length)) PARTITION BY LIST (lang)
""",
        "CREATE INDEX posting_of_passage ON mlrag.posting (passage)",
        """
CREATE TABLE mlrag.off_topic (
    lang text PRIMARY KEY REFERENCES mlrag.language ON DELETE CASCADE, key text NOT NULL, level real[] NOT NULL,
    changed bigint NOT NULL DEFAULT 0)
""",
    ),
    SHARED,
    PACKED,
)
PER_LANGUAGE = ("passage", "postings")  # tables, each with _LANG after it
