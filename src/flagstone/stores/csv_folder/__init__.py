"""
Records in a folder of CSV files, in Gradio's layout.
"""
