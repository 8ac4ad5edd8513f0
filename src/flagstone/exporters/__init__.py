"""
Flags as tables, datasets, and what other tools import.
"""
