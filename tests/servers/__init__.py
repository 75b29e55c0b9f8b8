"""Servers for tests, and faults between them and the gateway.

- ``databases``: an empty database on a server that is there anyway, for as long as a block lasts, and its raw rows.
- ``prepared``: one with today's tables, which is emptied and used again.
- ``own``: PostgreSQL, MariaDB and Redis as processes of the test, which may kill, stop and start them again.
- ``proxy``: a TCP proxy that delays, withholds, cuts and refuses what passes through it.

All are synchronous to call, so that they serve tests of every kind: sync, async, and those with a gateway in a
process of its own.
"""
