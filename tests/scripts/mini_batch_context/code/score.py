import os


def run(mini_batch, mini_batch_context):
    assert mini_batch_context.partition_key_value is None
    return [f"{mini_batch_context.minibatch_index} {os.path.basename(path)}" for path in mini_batch]
