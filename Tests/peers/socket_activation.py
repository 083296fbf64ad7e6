"""What systemd does for a socket unit: listens on addresses, then becomes the program, which finds the sockets from descriptor 3 on.

usage: socket_activation.py PORT[,PORT...] PROGRAM [ARGUMENT...]"""

import os
import socket
import sys


def main():
    sockets = []
    for port in sys.argv[1].split(","):
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", int(port)))
        listener.listen(128)
        sockets.append(listener)
    high = [os.dup2(each.fileno(), 100 + number) for number, each in enumerate(sockets)]
    for number, descriptor in enumerate(high):
        os.dup2(descriptor, 3 + number, inheritable=True)
        os.set_inheritable(descriptor, False)
    os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(sockets)))
    os.execv(sys.argv[2], sys.argv[2:])


main()
