"""The face towards Python: `MLClient` and its operations, in the shape of ``azure.ai.ml``."""
