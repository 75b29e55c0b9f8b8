"""OpenAI's API (https://platform.openai.com/docs/api-reference), for clients and for all upstreams that are compatible.

In reading order: ``paths`` is what there is; ``chat`` a conversation as it is on the wire, read and told to clients,
``chat_writing`` and ``chat_answers`` the same for upstreams, ``completions`` its older form; ``tasks`` vectors,
rankings and pictures; ``errors`` complaints in all the envelopes there are; ``format`` is the object that stands for
all of it. Nothing is imported here, so that the paths alone can be.
"""
