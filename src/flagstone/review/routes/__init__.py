"""
Routes of the review page.
"""
