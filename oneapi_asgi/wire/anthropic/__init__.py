"""Anthropic Messages (https://platform.claude.com/docs/en/api/messages), for clients and for upstreams.

In reading order: ``reading`` is a request as it is on the wire and what it means, ``writing`` the reverse with what
each family of models takes; ``answers`` reads whole answers, streams and errors; ``format`` tells them to clients, and
is the object that stands for all of it.
"""

from .format import ANTHROPIC, Anthropic

__all__ = ["ANTHROPIC", "Anthropic"]
