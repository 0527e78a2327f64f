"""A side of a comparison that runs in a process of its own."""

import os
import subprocess


class Side:
    """A process that does the work once for every line that it reads, and answers each with a number.

    Args:
        command: list of str.
        **environment: further environment variables.
    """

    def __init__(self, *command, **environment):
        self._process = subprocess.Popen(
            [str(word) for word in command],
            env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"} | environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __call__(self):
        """Do the work, and return the number that it gives, float."""
        print(file=self._process.stdin, flush=True)
        answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError(f"a side ended with {self._process.wait()}; see its error above")
        return float(answer)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.stdin.close()
        self._process.wait()
