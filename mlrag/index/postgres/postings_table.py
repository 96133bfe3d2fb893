"""The lexical ranker's tables: one a language, whose postings are merged once changes have left many small blocks."""

from __future__ import annotations

from psycopg.sql import SQL, Identifier

from mlrag.index.postgres.postings import K1, B
from mlrag.index.postgres.server import Connection

_FEW = 2000  # passages that came or went: fewer are never worth a merge
_SHARE = 8  # nor are fewer than one in so many
_MEMORY = "512MB"
_TABLE = """
CREATE TABLE {table} (token text COLLATE "C" NOT NULL, number int NOT NULL, bound real NOT NULL, average real NOT NULL,
    packed bigint[] STORAGE EXTERNAL NOT NULL)
"""
_MERGED = """
INSERT INTO {table} SELECT token, count(*), max(f / (f + {k1}::float8 * (1 - {b}::float8 + {b}::float8 * length
        / average))), average, array_agg(posting ORDER BY posting)
    FROM (SELECT token, posting, average, (posting & 65535)::float8 AS f, posting >> 16 & 65535 AS length
        FROM (SELECT token, unnest(packed) AS posting FROM {old}) AS posted,
            (SELECT tokens / greatest(passages, 1)::float8 AS average FROM mlrag.language WHERE lang = {lang}) AS held
        WHERE (posting >> 32) NOT IN (SELECT row FROM mlrag.gone WHERE lang = {lang})) AS live
    GROUP BY token, average ORDER BY token
"""
_DUE = "SELECT loose >= greatest({few}, passages / {share}) FROM mlrag.language WHERE lang = {lang} FOR UPDATE"


def table(lang: str) -> Identifier:
    return Identifier("mlrag", f"postings_{lang}")


def make_table(connection: Connection, lang: str) -> None:
    """Make the table where there is none."""
    if not _exists(connection, lang):
        connection.execute(SQL(_TABLE).format(table=table(lang)))
        _index_tokens(connection, lang, table(lang))


def merge(connection: Connection, lang: str) -> None:
    """Merge postings to one block a token where enough has changed. Writers wait meanwhile; readers do for a moment."""
    due = SQL(_DUE).format(few=_FEW, share=_SHARE, lang=lang)
    row = connection.execute(due).fetchone()
    if row is None or not row[0]:
        return
    connection.execute(SQL("SET LOCAL work_mem = {m}; SET LOCAL maintenance_work_mem = {m}").format(m=_MEMORY))
    new = Identifier("mlrag", f"postings_{lang}_merged")
    connection.execute(SQL(_TABLE).format(table=new))
    connection.execute(SQL(_MERGED).format(table=new, old=table(lang), lang=lang, k1=K1, b=B))
    connection.execute(SQL("DROP TABLE {}").format(table(lang)))
    _index_tokens(connection, lang, new)
    connection.execute(SQL("ALTER TABLE {} RENAME TO {}").format(new, Identifier(f"postings_{lang}")))
    connection.execute("DELETE FROM mlrag.gone WHERE lang = %s", (lang,))
    connection.execute("UPDATE mlrag.language SET loose = 0 WHERE lang = %s", (lang,))


def _index_tokens(connection: Connection, lang: str, new: Identifier) -> None:
    """Index by token, and let the planner count."""
    connection.execute(SQL("CREATE INDEX {} ON {} (token)").format(Identifier(f"postings_{lang}_token"), new))
    connection.execute(SQL("ANALYZE {}").format(new))


def _exists(connection: Connection, lang: str) -> bool:
    query = "SELECT to_regclass(format('mlrag.%%I', 'postings_' || %s::text))"
    row = connection.execute(query, (lang,)).fetchone()
    return bool(row and row[0])
