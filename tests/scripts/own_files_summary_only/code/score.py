import os
import threading
import uuid

import pandas as pd

output_path = os.environ["AZUREML_BI_OUTPUT_PATH"]
assert os.path.isdir(output_path)


def init():
    global prefix
    prefix = f"{os.getpid()}-{uuid.uuid4().hex[:8]}"


def run(mini_batch):
    for path in mini_batch:
        data = pd.read_csv(path)
        data["by"] = threading.current_thread().name
        name = os.path.splitext(os.path.basename(path))[0]
        data.to_parquet(os.path.join(output_path, f"{prefix}-{name}.parquet"))
    return mini_batch


def shutdown():
    with open(os.path.join(output_path, f"{prefix}.ended"), "w") as file:
        file.write("shutdown() was called")
