"""
The two layouts of Gradio 4's own Hub saver.
"""
