import json
import os


class Doubling:
    def __init__(self, factor):
        self.factor = factor

    def predict(self, data, params=None):
        assert str(data["id"].dtype) == "float64"
        doubled = (data["id"] * self.factor + (params or {})["plus"]).rename("doubled").to_frame()
        return doubled.assign(at_once=len(data))


def _load_pyfunc(path):
    with open(os.path.join(path, "factor.json")) as file:
        return Doubling(json.load(file))
