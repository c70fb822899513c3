import os

KEY = os.environ["OPENAI_KEY"]
NUMBER = int(os.environ["NUMBER"]) + 1
