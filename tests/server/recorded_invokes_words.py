"""The places that recorded invokes name."""

FOLDER = "azureml://datastores/workspaceblobstore/paths/in/"
FILE = "azureml://datastores/workspaceblobstore/paths/in/1.csv"
