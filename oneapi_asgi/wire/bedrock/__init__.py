"""Bedrock Converse (https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html), for upstreams.

In reading order: ``format`` writes requests, with what each family of models takes, and is the object that stands for
all of it; ``answers`` reads whole answers, streams and errors; ``eventstream`` cuts the binary stream into messages.
"""

from .format import BEDROCK, Bedrock

__all__ = ["BEDROCK", "Bedrock"]
