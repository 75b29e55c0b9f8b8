"""``examples/deploy``, as far as it can be run or read without the machines it is for.

``test_nginx`` runs the nginx file in a real nginx (``nginx``), in front of gateways on real sockets. The others hold
what Docker, Compose, systemd and cron would read to what the project really has: settings, commands, paths, times.
"""
