"""Cohere v2 (https://docs.cohere.com/reference/chat), for clients and for upstreams.

In reading order: ``format`` is a request as it is on the wire, read and written, and the object that stands for all of
it; ``answers`` whole answers, streams and errors, both ways.
"""

from .format import COHERE, Cohere

__all__ = ["COHERE", "Cohere"]
