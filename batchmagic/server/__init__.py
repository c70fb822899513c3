"""The endpoints over HTTPS: a Jupyter server extension, which also runs alone."""
