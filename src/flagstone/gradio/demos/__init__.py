"""
A demo that is loaded from its file, and what it says about its log.
"""
