"""Faults and races of money and storage: gateways in processes of their own, on real databases.

- ``plan``, ``replica``, ``skewed``: what one such process is told, and the programs that it runs.
- ``fleet``: starts, kills and ends them.
- ``load``: callers by the hundred, who write down what they were answered.
- ``auditor``: reads the database without the gateway's help and says what is wrong with its books.

Every test ends with the auditor. A call is named by its caller: the name is in the journal of the upstream, it is the
id of the reservation and of the record, so each can be held against the others.
"""
