"""The administration as an ASGI app: ``Admin`` serves the routes it is given, to whom each of them is for.

    admin = Admin([*users.routes(), *tokens.routes()], doorkeeper=doorkeeper, events=events)
    app.mount("/api", admin)

Read in this order: ``routes`` (what a route declares, what a handler gets and gives), ``app`` (who may, and in what
words it is answered), ``forgery``, ``openapi``; then one module for each thing that is managed.
"""

from __future__ import annotations

from .app import Admin
from .routes import Doorkeeper, PageQuery, Reply, Route, Visit

__all__ = ["Admin", "Doorkeeper", "PageQuery", "Reply", "Route", "Visit"]
