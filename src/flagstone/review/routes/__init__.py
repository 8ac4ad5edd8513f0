"""
What the review page answers to a request.
"""
