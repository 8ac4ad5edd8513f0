"""
Named blobs: on this machine, in a bucket, or in a dataset on the Hub.
"""
