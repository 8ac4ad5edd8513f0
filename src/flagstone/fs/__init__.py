"""
Local files: atomic writes, locks, and temporary directories cleaned up after a crash.
"""
