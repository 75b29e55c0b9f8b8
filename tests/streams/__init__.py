"""Streams that go wrong: callers that leave, upstreams that break off, events that are too much.

Each test is a real gateway on real sockets with real money (``lab.rig``), and ends with the audit: the books agree with
what the upstream saw, and no task, connection or file is left. Those marked ``figures`` are the same of full size, and
print what they measured.
"""
