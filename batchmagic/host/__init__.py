"""The compute host: the detached process that runs the jobs of one compute. Started as a process, imported by nobody."""
