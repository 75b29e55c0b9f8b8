"""Ollama's own API (https://docs.ollama.com/api), for clients and for upstreams.

In reading order: ``format`` is a request as it is on the wire, read and written, and the object that stands for all of
it; ``answers`` whole answers, streams and errors, both ways.
"""

from .format import OLLAMA, Ollama

__all__ = ["OLLAMA", "Ollama"]
