"""What streams, routing and overload are tested with: faults on purpose, and proof that nothing is left behind.

- ``upstream``: an upstream on bare sockets that sends the bytes it is told to, how and when it is told to.
- ``dialects``: the four large formats as such bytes, and what a caller of each makes of an answer.
- ``caller``: one request on a bare socket, read as far as wanted, left by FIN or RST.
- ``rig``: a gateway with real money in front of such upstreams, in this process or in one of its own.
- ``audit``: after a test the books agree, and nothing that was opened for it is open.
- ``figures``: the table that ``pytest -m figures`` prints.
"""
