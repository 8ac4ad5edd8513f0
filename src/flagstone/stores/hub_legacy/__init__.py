"""
The two layouts that Gradio 4's own Hub saver had.
"""
