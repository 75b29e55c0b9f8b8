"""A fake provider on real sockets: answers as OpenAI, Anthropic, Gemini, Bedrock, Cohere or Ollama would, refuses what
they would refuse, fails as it is told, and keeps a journal.

In a test, ``async with FakeUpstream() as upstream``. As a process, ``python -m oneapi_asgi.testing.upstream --port N``;
its journal is at ``GET /_journal`` (``DELETE`` empties it). Requests tell it what to do by ``fake:{...}`` in the last
text of the user (`Fake`).
"""

from __future__ import annotations

from .script import Answer, Fake, Journaled, Part, Then
from .server import FakeUpstream

__all__ = ["Answer", "Fake", "FakeUpstream", "Journaled", "Part", "Then"]
