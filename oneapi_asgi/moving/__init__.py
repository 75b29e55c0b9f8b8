"""Reads the tables of One API and new-api as the facts that are moved in here. Pure: rows in, facts and remarks out.

``people`` reads users, ``keys`` tokens and redemption codes, ``upstreams`` channels, ``pricing`` the ratios among the
options, ``calls`` the log. What is missing, odd or out of bounds is mended or left out, and always remarked on.
"""

from __future__ import annotations

from .reading import Reader, is_source, unknown_columns

__all__ = ["Reader", "is_source", "unknown_columns"]
