"""Options that mean the same here. No secrets: those are entered anew, where they can be sealed."""

from __future__ import annotations

from collections.abc import Mapping

from ..desk.moving import Remarks
from ..desk.options import ELSEWHERE, OPTIONS, check_option

__all__ = ["options_of"]

_RATIOS = frozenset({"ModelRatio", "CompletionRatio", "CacheRatio", "ModelPrice", "GroupRatio"})
_SECRET = ("Secret", "Token", "Key", "Password")
_PUBLIC = frozenset({"TurnstileSiteKey"})


def options_of(options: Mapping[str, str], remarks: Remarks) -> dict[str, str]:
    """Those that are carried."""
    found = {}
    for name, value in sorted(options.items()):
        if name in _RATIOS or not value:
            continue
        option = OPTIONS.get(name)
        if name not in _PUBLIC and (name.endswith(_SECRET) or (option is not None and option.kind == "secret")):
            remarks.add("lost", "options", "secrets are not carried", name, cure="enter them in the administration")
        elif option is None or option.kind == "ratios":
            cure = ELSEWHERE.get(name, "see the settings for what does the same")
            remarks.add("lost", "options", "options that are none here", name, cure=cure)
        else:
            try:
                found[name] = check_option(name, value)
            except ValueError as error:
                remarks.add("lost", "options", f"its value cannot be: {error}", name, cure="set it anew")
    return found
