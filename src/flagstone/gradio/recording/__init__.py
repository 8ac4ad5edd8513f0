"""
Record the calls of a page's functions, and save presses as flags in a store.
"""
