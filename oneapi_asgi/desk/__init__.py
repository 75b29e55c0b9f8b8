"""Words of the administration: facts about people and settings, and what is asked of whoever keeps them.

Nothing that a call passes imports any of it.
"""
