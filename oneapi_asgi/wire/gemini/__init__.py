"""Gemini generateContent (https://ai.google.dev/api/generate-content), for clients and for upstreams.

In reading order: ``reading`` is a request as it is on the wire and what it means, ``writing`` the reverse (with
``schema``, as tools have a dialect of JSON Schema here); ``answers`` reads whole answers, streams and errors;
``format`` tells them to clients, and is the object that stands for all of it.
"""

from .format import GEMINI, Gemini

__all__ = ["GEMINI", "Gemini"]
