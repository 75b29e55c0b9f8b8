"""Faults that the server itself makes, in the middle of a transaction: at the update of an account.

A call changes two accounts, one after the other, so a fault at every n-th change, n odd, comes before the first one as
often as between the two. The changes are counted by a sequence, which no rollback takes back.
"""

from __future__ import annotations

from typing import Literal

from servers.databases import rows

__all__ = ["FAULTS", "Fault", "changes_tried", "inject"]

Fault = Literal["deadlock", "serialization", "cut"]
FAULTS: tuple[Fault, ...] = ("deadlock", "serialization", "cut")

_POSTGRES: dict[Fault, str] = {
    "deadlock": "RAISE EXCEPTION 'injected' USING ERRCODE = '40P01'",
    "serialization": "RAISE EXCEPTION 'injected' USING ERRCODE = '40001'",
    "cut": "PERFORM pg_terminate_backend(pg_backend_pid())",
}
_SIGNAL = "SIGNAL SQLSTATE '40001' SET MYSQL_ERRNO = {}, MESSAGE_TEXT = 'injected'"
_MYSQL: dict[Fault, str] = {
    "deadlock": _SIGNAL.format(1213),
    "serialization": _SIGNAL.format(1020),
    "cut": "KILL CONNECTION_ID()",
}


def inject(url: str, fault: Fault, condition: str) -> None:
    """``condition`` is SQL on ``n``, the number of the change, such as ``n % 41 = 0``. Replaces what was injected."""
    for statement in (_postgres if url.startswith("postgresql") else _mysql)(fault, condition):
        rows(url, statement)


def _postgres(fault: Fault, condition: str) -> list[str]:
    body = (
        f"DECLARE n bigint := nextval('tried'); BEGIN IF {condition} THEN {_POSTGRES[fault]}; END IF; RETURN NEW; END"
    )
    return [
        "CREATE SEQUENCE IF NOT EXISTS tried",
        f"CREATE OR REPLACE FUNCTION injected() RETURNS trigger LANGUAGE plpgsql AS $$ {body} $$",
        "CREATE OR REPLACE TRIGGER injected BEFORE UPDATE ON accounts FOR EACH ROW EXECUTE FUNCTION injected()",
    ]


def _mysql(fault: Fault, condition: str) -> list[str]:
    body = f"BEGIN DECLARE n BIGINT DEFAULT NEXTVAL(tried); IF {condition} THEN {_MYSQL[fault]}; END IF; END"
    return [
        "CREATE SEQUENCE IF NOT EXISTS tried",
        f"CREATE OR REPLACE TRIGGER injected BEFORE UPDATE ON accounts FOR EACH ROW {body}",
    ]


def changes_tried(url: str) -> int:
    """How many changes of an account were begun. Each question counts as one for the next."""
    call = "nextval('tried')" if url.startswith("postgresql") else "NEXTVAL(tried)"
    ((number,),) = rows(url, f"SELECT {call}")
    return int(number) - 1
