"""
Records, values and queries: pure data that touches no disk.
"""
