"""``python -m benchmarks.run``: the whole product against bare Dask and bare multiprocessing, in one run."""
