import os

from azureml_user.parallel_run import EntryScript

starts = 0


def init():
    global starts
    starts += 1
    entry = EntryScript()
    entry.logger.info("init() of %s", entry.agent_name)
    assert entry is EntryScript()
    assert os.path.samefile(entry.output_dir, os.environ["AZUREML_BI_OUTPUT_PATH"])
    assert os.path.samefile(entry.working_dir, os.getcwd())
    assert os.path.isdir(entry.log_dir)


def run(mini_batch):
    entry = EntryScript()
    entry.logger.info("run() of %s", [os.path.basename(path) for path in mini_batch])
    with open("scratch.txt", "a") as file:
        file.write("x")
    return [f"{entry.agent_name} {starts}"] * len(mini_batch)
