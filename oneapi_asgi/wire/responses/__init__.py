"""OpenAI Responses (https://platform.openai.com/docs/api-reference/responses), for clients and for upstreams.

In reading order: ``reading`` is a request as it is on the wire and what it means, ``writing`` the reverse; ``answers``
whole answers and streams, both ways; ``format`` is the object that stands for all of it.
"""

from .format import RESPONSES, Responses

__all__ = ["RESPONSES", "Responses"]
