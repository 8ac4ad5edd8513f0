"""
Who may use the review page.
"""
