"""
Values on the review page: show them, edit them, read them back.
"""
