import glob
import os
import pickle

import pandas as pd


def init():
    global model

    model_dir = os.environ["AZUREML_MODEL_DIR"]
    folder = glob.glob(model_dir + "/*/")[0]
    (found,) = glob.glob(os.path.join(model_dir, "*", "*.pkl"))
    assert os.path.samefile(os.path.join(folder, "model.pkl"), found)
    assert os.path.basename(os.path.dirname(folder)) == "heart"
    assert os.path.exists(os.path.join(folder, "extra", "notes.txt"))
    with open(found, "rb") as file:
        model = pickle.load(file)


def run(mini_batch):
    results = []
    for file_path in mini_batch:
        data = pd.read_csv(file_path)
        data["prediction"] = data["id"] * model["scale"]
        data["file"] = os.path.basename(file_path)
        results.append(data)
    return pd.concat(results)
