"""
Access control of the review page.
"""
