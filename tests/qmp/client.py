# SPDX-License-Identifier: GPL-2.0-or-later
"""A QMP client after the protocol's published description, and machines."""

import array
import json
import os
import socket
import subprocess
import time

LIMIT = 30  # seconds that anything may take


class Closed(Exception):
    """The other side has closed the connection."""


class Client:
    """One connection: messages in the order in which they come."""

    def __init__(self, sock):
        self.sock = sock
        self.sock.settimeout(LIMIT)
        self.rest = b""
        self.ids = 0
        self.events = []

    @classmethod
    def at(cls, path):
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(LIMIT)
        sock.connect(path)
        return cls(sock)

    def negotiated(self, **arguments):
        """Past the greeting and the negotiation; itself."""
        self.greeting = self.read()
        answer = self.command("qmp_capabilities", **arguments)
        assert answer == {}, answer
        return self

    def close(self):
        self.sock.close()

    def send_raw(self, data, fds=()):
        try:
            if fds:
                self.sock.sendmsg([data], [(socket.SOL_SOCKET, socket.SCM_RIGHTS,
                                            array.array("i", fds))])
            else:
                self.sock.sendall(data)
        except (BrokenPipeError, ConnectionResetError) as e:
            raise Closed from e

    def read(self):
        """The next message, an event or an answer."""
        while b"\n" not in self.rest:
            try:
                data = self.sock.recv(65536)
            except ConnectionResetError as e:
                raise Closed from e
            if not data:
                raise Closed
            self.rest += data
        line, self.rest = self.rest.split(b"\n", 1)
        assert line.endswith(b"\r"), line
        return json.loads(line)

    def request(self, name, arguments=None, oob=False, fds=()):
        """Sends a command; its id."""
        self.ids += 1
        message = {"exec-oob" if oob else "execute": name, "id": self.ids}
        if arguments is not None:
            message["arguments"] = arguments
        self.send_raw(json.dumps(message).encode() + b"\n", fds)
        return self.ids

    def answer(self, ident=None):
        """The next answer, of that id if it is given; events are kept."""
        while True:
            message = self.read()
            if "event" in message:
                self.events.append(message)
                continue
            if ident is not None:
                assert message.get("id") == ident, (ident, message)
            return message

    def ask(self, name, arguments=None, **how):
        """The whole answer to a command."""
        return self.answer(self.request(name, arguments, **how))

    def command(self, name, **arguments):
        """What a command that must succeed returns; a_b stands for a-b."""
        answer = self.ask(name, {k.replace("_", "-"): v
                                 for k, v in arguments.items()})
        assert "return" in answer, (name, answer)
        return answer["return"]

    def event(self, name):
        """The next event of that name; others before it are dropped."""
        while True:
            while self.events:
                event = self.events.pop(0)
                if event["event"] == name:
                    return event
            message = self.read()
            assert "event" in message, message
            self.events.append(message)

    def at_end(self):
        """Reads on until the connection is closed; what came."""
        seen = []
        try:
            while True:
                seen.append(self.read())
        except Closed:
            return seen


class Machine:
    """A process that serves QMP at a path."""

    def __init__(self, args, path, directory, env=None, **popen):
        self.path = path
        self.errors = os.path.join(directory, "stderr")
        with open(self.errors, "wb") as err:
            self.process = subprocess.Popen(
                args, stderr=err, env=env,
                **{"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL,
                   **popen})

    def client(self, **arguments):
        return self.connect().negotiated(**arguments)

    def connect(self):
        """As soon as it can be."""
        end = time.monotonic() + LIMIT
        while True:
            try:
                return Client.at(self.path)
            except OSError:
                if self.process.poll() is not None or time.monotonic() > end:
                    raise
                time.sleep(0.02)

    def stderr(self):
        with open(self.errors, encoding="utf-8", errors="replace") as f:
            return f.read()

    def wait(self):
        return self.process.wait(LIMIT)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


class Host:
    """Where the programs and files are."""

    def __init__(self, directory):
        self.directory = directory
        self.vireo_program = os.environ.get("VIREO", "build/asan/vireo")
        self.run = [self.vireo_program, "run"]
        # The sanitizers do what no machine does: they look at other threads.
        if "/asan/" in self.vireo_program:
            self.run += ["--sandbox", "off"]
        self.disk = os.path.join(directory, "disk.img")
        with open(self.disk, "wb") as f:
            f.truncate(1 << 20)

    def payload(self, name):
        return f"build/tests/payload/{name}.elf"

    def vireo(self, *args, payload="spin", name="test", qmp="socket", **popen):
        path = os.path.join(self.directory, "vireo", f"{name}.qmp")
        env = dict(os.environ, XDG_RUNTIME_DIR=self.directory,
                   ASAN_OPTIONS="detect_leaks=1:exitcode=99",
                   UBSAN_OPTIONS="exitcode=99:print_stacktrace=1")
        if qmp == "socket" and "--console" not in args:
            args = ("--console", "none", *args)
        return Machine([*self.run, "--kernel", self.payload(payload),
                        "--memory", "16M", "--name", name, *args], path, self.directory, env, **popen)

    def qemu(self, *args, payload="spin"):
        path = os.path.join(self.directory, "qemu.qmp")
        return Machine(["qemu-system-x86_64", "-accel", "kvm", "-machine",
                        "q35", "-nodefaults", "-display", "none", "-serial",
                        "null", "-qmp", f"unix:{path},server=on,wait=off",
                        "-m", "64", "-kernel", self.payload(payload), *args],
                       path, self.directory)
