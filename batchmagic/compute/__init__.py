"""A named compute as a running Dask cluster."""
