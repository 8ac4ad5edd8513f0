"""
Records in immutable Parquet files, in a folder, a bucket or a dataset on the Hub.
"""
