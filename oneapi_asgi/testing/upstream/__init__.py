"""A fake provider on real sockets: answers as OpenAI would, fails as it is told, and keeps a journal.

In a test, ``async with FakeUpstream() as upstream``. As a process, ``python -m oneapi_asgi.testing.upstream --port N``;
its journal is at ``GET /_journal`` (``DELETE`` empties it), and requests tell it what to do in their ``metadata`` or
``user`` field (`Fake`).
"""

from __future__ import annotations

from .script import Answer, Fake, Journaled, Part, Then
from .server import FakeUpstream

__all__ = ["Answer", "Fake", "FakeUpstream", "Journaled", "Part", "Then"]
