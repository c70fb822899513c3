"""The batch endpoints over HTTPS: a Jupyter server extension, which is also a server of its own."""
