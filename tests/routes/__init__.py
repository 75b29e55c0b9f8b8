"""Which channel serves, whatever becomes of the others: failing, slow, full and throttled upstreams behind a whole
gateway, with real sockets on both sides and real money.

Nobody who calls is to notice, nobody who fails is to be asked again and again, and the books agree afterwards. ``rig``
has the gateway, its upstreams and the callers. Where an upstream has to be out for half a minute the gateway's clock is
put forward; the long variants wait.
"""
