import glob
import os

import mlflow
import pandas as pd


def init():
    global model
    model_path = glob.glob(os.environ["AZUREML_MODEL_DIR"] + "/*/")[0]
    model = mlflow.pyfunc.load(model_path)


def run(mini_batch):
    print(f"run method start: {__file__}, run({mini_batch})")
    results = pd.DataFrame(columns=["file", "id", "doubled"])
    for file_path in mini_batch:
        data = pd.read_csv(file_path)[["id"]].astype(float)
        data["doubled"] = model.predict(data)["doubled"]
        data["file"] = os.path.basename(file_path)
        results = pd.concat([results, data]) if len(results) else data[["file", "id", "doubled"]]
    mlflow.log_metric("scored", len(results))
    return results
