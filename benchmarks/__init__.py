"""
A command for each claim, with the peer measured in the same run: `python -m benchmarks.NAME`.
"""
