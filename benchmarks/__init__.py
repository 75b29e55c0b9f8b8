"""Throughput, latency and CPU of the gateway beside a bare proxy and the direct way: ``python -m benchmarks``."""
