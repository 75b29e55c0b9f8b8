"""The console: the page that operators and users open, which is a client of the administration and of nothing else.

    app = Console()

``web`` holds its sources, and ``hatch_build.py`` bundles them into ``static`` while the package is built.
"""

from .app import Console

__all__ = ["Console"]
