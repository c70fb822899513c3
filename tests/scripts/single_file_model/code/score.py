import json
import os


def init():
    global threshold
    folder = os.environ["AZUREML_MODEL_DIR"]
    # Nothing but what was registered, under its own name.
    assert os.listdir(folder) == ["weights.json"], os.listdir(folder)
    with open(os.path.join(folder, "weights.json")) as file:
        threshold = json.load(file)["threshold"]


def run(mini_batch):
    assert type(mini_batch) is list and all(type(path) is str for path in mini_batch)
    assert all(os.path.isabs(path) for path in mini_batch)
    rows = []
    for path in mini_batch:
        with open(path, encoding="utf-8") as file:
            lines = file.read().splitlines()[1:]
        rows.append(f"{os.path.basename(path)}: {'many' if len(lines) > threshold - 2 else 'few'}")
    return rows
