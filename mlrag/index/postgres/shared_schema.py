"""Tables that replicas share. UNLOGGED ones cost no write-ahead log and no wait for a standby; they are empty after a
crash of the primary and on a promoted standby, which costs cached answers and counts of limits, and nothing else."""

from __future__ import annotations

from typing import LiteralString

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
