"""
The user interface: the flag panel, its editors, messages and scripts.
"""
