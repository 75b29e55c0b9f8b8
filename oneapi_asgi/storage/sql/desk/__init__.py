"""What the administration keeps: one module for each protocol of ``oneapi_asgi.desk``."""
