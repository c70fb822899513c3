"""The scoring process: runs under the deployment's own interpreter, Python 3.8 or later.

Nothing here imports anything but the standard library when it is loaded. The modules are loaded
under a private package name by ``scorer.py``, so that they are no part of what user code can import
by accident; `frames` is also imported, under its real name, by the worker that owns the process.
"""
