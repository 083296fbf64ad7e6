"""Starts a peer that is a program of its own, and ends it by its pid."""

import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent


class RunningPeer:
    """`with RunningPeer("grpc_server.py", "--kinds") as peer:` gives its port."""

    def __init__(self, script, *arguments, port=0):
        self.process = subprocess.Popen(
            [sys.executable, HERE / script, str(port), *map(str, arguments)], stdout=subprocess.PIPE, text=True
        )
        line = self.process.stdout.readline().split()
        if line[:1] != ["listening"]:
            self.stop()
            raise RuntimeError(f"{script} did not start")
        self.port = int(line[1])

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process.stdout.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
