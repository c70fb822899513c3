"""``python -m batchmagic.demo``: a model becomes predictions, on real data, in a folder of its own."""
