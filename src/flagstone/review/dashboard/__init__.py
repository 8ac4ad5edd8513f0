"""
Statistics for the dashboard.
"""
