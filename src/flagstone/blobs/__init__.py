"""
Named blobs, each made once: on this machine, in a bucket, or in a dataset of the Hub.
"""
