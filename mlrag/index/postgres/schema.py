"""The tables, as migrations that are applied in order, each once. A language has partitions of its own.

`passage.row` counts within a language. `posting` is the lexical leg: how often each of our own tokens stands in a
passage, and the passage's length as Tantivy keeps it. `language` holds what belongs to the whole: the commit number,
the number of passages and tokens, and the moments of the vectors.
"""

from __future__ import annotations

from typing import LiteralString

from mlrag.index.postgres.shared_schema import SHARED

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
)
PARTITIONED = ("passage", "posting")
