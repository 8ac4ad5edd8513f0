"""
What the page shows: the panel, its editors, its messages and its scripts.
"""
