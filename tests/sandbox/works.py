# SPDX-License-Identifier: GPL-2.0-or-later
"""What machines are put through so that their main and I/O threads make all the
system calls that they may.  Each work gets a Place and raises unless the
machine does well."""

import array
import contextlib
import ctypes
import fcntl
import os
import pty
import re
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../qmp"))

from client import Client, Closed  # noqa: E402

LIMIT = 60  # seconds for any step
PAYLOADS = "build/tests/payload"
STEP_END = b"\x01x"  # keys: Ctrl-A x
STOPPED = 4
REFUSED = 128 + signal.SIGSYS


class Missing(Exception):
    """The host lacks what a work needs."""


class Place:
    """A directory, and machines of the program that is tested."""

    def __init__(self, program, env):
        self.program = program
        self.dir = tempfile.mkdtemp(prefix="vireo-sieve-")
        self.env = dict(os.environ, XDG_RUNTIME_DIR=self.dir, **env)
        self.processes = []

    def until(self, what, condition):
        """What the condition says when it holds; machines are to live on."""
        end = time.monotonic() + LIMIT
        while True:
            value = condition()
            if value:
                return value
            assert all(p.poll() is None for p in self.processes), what
            if time.monotonic() > end:
                raise TimeoutError(what)
            time.sleep(0.005)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in self.processes:
            if process.poll() is None:
                process.kill()
            process.wait()
        shutil.rmtree(self.dir)

    def path(self, name):
        return os.path.join(self.dir, name)

    def image(self, name, size=1 << 20):
        with open(self.path(name), "wb") as f:
            f.truncate(size)
        return self.path(name)

    def start(self, payload, *args, stdin=subprocess.DEVNULL,
              stdout=subprocess.DEVNULL, memory="16M", **popen):
        with open(self.path("err"), "ab") as err:
            process = subprocess.Popen(
                [self.program, "run", "--kernel", f"{PAYLOADS}/{payload}.elf",
                 "--memory", memory, "--name", "m", *args],
                env=self.env, stdin=stdin, stdout=stdout, stderr=err, **popen)
        self.processes.append(process)
        return process

    def connect(self, name):
        def attempt():
            sock = socket.socket(socket.AF_UNIX)
            sock.settimeout(LIMIT)
            try:
                sock.connect(self.path(name))
                return sock
            except OSError:
                sock.close()
                return None
        return self.until(name, attempt)

    def client(self):
        return Client(self.connect("vireo/m.qmp")).negotiated()


def ends(process, status):
    got = process.wait(LIMIT)
    assert got == status, got


def quits(client, process):
    try:
        client.ask("quit")
    except Closed:
        pass
    ends(process, STOPPED)


def thread_of(place, process, name):
    """The number of its thread of that name, when there is one."""
    def look():
        for tid in os.listdir(f"/proc/{process.pid}/task"):
            with open(f"/proc/{process.pid}/task/{tid}/comm",
                      encoding="ascii") as f:
                if f.read().strip() == name:
                    return int(tid)
        return None
    return place.until(name, look)


def signal_thread(process, tid, sig):
    tgkill = 234
    libc = ctypes.CDLL(None, use_errno=True)
    assert not libc.syscall(tgkill, process.pid, tid, sig)


# ---- the control protocol ---------------------------------------------------------


def asks(place):
    """Everything that can be asked, and what can be done to a machine."""
    machine = place.start(
        "spin", "--cpus", "2", "--console", "none", "--rng", "--disk",
        place.image("a.img"), "--scsi", place.image("b.img"), "--cdrom",
        place.image("c.iso"), "--qmp", f"unix:{place.path('qmp')}")
    client = place.client()
    place.until("it runs", lambda: client.command("query-status")["running"])
    for entry in client.command("query-commands"):
        if entry["name"].startswith(("query-", "x-vireo-query-")):
            client.ask(entry["name"])
    client.command("query-stats", target="vcpu", providers=[{"provider": "kvm"}])
    for line in ("info registers", "info pci", "info status"):
        client.command("human-monitor-command", command_line=line)
    # More than there is room for at first
    client.ask("query-name", {"x": "x" * 700000})
    fd = os.open(place.path("c.iso"), os.O_RDONLY)
    image = os.open(place.image("d.img"), os.O_RDWR)
    client.ask("getfd", {"fdname": "one"}, fds=[fd])
    client.ask("add-fd", {"fdset-id": 1}, fds=[fd])
    client.ask("add-fd", {"fdset-id": 2}, fds=[image])
    client.ask("eject", {"device": "scsi0-cd1", "force": True})
    client.command("blockdev-change-medium", device="scsi0-cd1",
                   filename="/dev/fdset/1")
    more = client.command("x-vireo-scsi-add", path="/dev/fdset/2")
    client.command("x-vireo-scsi-remove", id=more["id"])
    client.command("block_resize", device="scsi0-hd0", size=2 << 20)
    client.command("stop")
    client.command("cont")
    client.command("system_reset")
    client.event("RESET")
    quits(client, machine)


def kicked(place):
    """A signal that is meant for vCPUs is nobody's end."""
    machine = place.start("spin", "--console", "none")
    client = place.client()
    place.until("it runs", lambda: client.command("query-status")["running"])
    machine.send_signal(signal.SIGRTMIN)
    client.command("query-status")
    quits(client, machine)


def sleeping(place, machine):
    """Until it is in a clock_nanosleep, where that can be seen."""
    def look():
        try:
            with open(f"/proc/{machine.pid}/syscall", encoding="ascii") as f:
                return f.read().startswith("230 ") or machine.poll()
        except OSError:
            return True
    time.sleep(0.005)
    place.until("it sleeps", look)


def stopped(place):
    """By job control, while it waits to remove its socket: the directory is
    locked by somebody else."""
    machine = place.start("spin", "--console", "none")
    client = place.client()
    fd = os.open(place.path("vireo"), os.O_RDONLY)
    fcntl.flock(fd, fcntl.LOCK_EX)
    try:
        client.ask("quit")
    except Closed:
        pass
    for _ in range(5):
        sleeping(place, machine)
        machine.send_signal(signal.SIGSTOP)
        time.sleep(0.02)
        machine.send_signal(signal.SIGCONT)
    os.close(fd)
    ends(machine, STOPPED)
    assert not os.path.exists(place.path("vireo/m.qmp"))


def detached(place):
    ends(place.start("spin", "--detach"), 0)
    place.processes.clear()
    client = place.client()
    pid = client.command("x-vireo-query-vm")["pid"]
    try:
        client.ask("quit")
    except Closed:
        pass
    place.until("it ends", lambda: not os.path.exists(f"/proc/{pid}"))
    assert not os.path.exists(place.path("vireo/m.qmp"))
    with open(place.path("vireo/m.log"), encoding="utf-8") as f:
        assert f.read() == ""


# ---- debuggers and consoles -------------------------------------------------------


class Gdb:
    def __init__(self, sock):
        self.sock = sock

    def send(self, body):
        self.sock.sendall(b"$%s#%02x" % (body, sum(body) & 0xff))

    def ask(self, body):
        self.send(body)
        return self.answer()

    def answer(self):
        data = b""
        while not (b"$" in data and data[-3:-2] == b"#"):
            byte = self.sock.recv(1)
            assert byte
            data += byte
        self.sock.sendall(b"+")
        # "X*N" is X and as many more of it as N says.
        return re.sub(rb"(.)\*(.)", lambda m: m[1] * (m[2][0] - 28),
                      data[data.index(b"$") + 1:-3], flags=re.DOTALL)


def debugs(place):
    machine = place.start("debug", "--console", "none", "--gdb",
                          f"unix:{place.path('gdb')},wait")
    gdb = Gdb(place.connect("gdb"))
    regs = gdb.ask(b"g")
    assert gdb.ask(b"G" + regs) == b"OK"
    # RAX, CR4 and an SSE register.
    for number, value in ((0, b"11" * 8), (16, None)):
        old = gdb.ask(b"p%x" % number)
        assert gdb.ask(b"P%x=%s" % (number, value or old)) == b"OK"
    assert gdb.ask(b"s")[:1] == b"T"
    gdb.send(b"c")
    time.sleep(0.02)
    gdb.sock.sendall(b"\x03")
    assert gdb.answer()[:1] == b"T"
    gdb.send(b"k")
    ends(machine, STOPPED)


def debugs_by_tcp(place):
    machine = place.start("msg", "--console", f"unix:{place.path('tty')}",
                          "--gdb", "tcp:127.0.0.1:0")

    def port():
        with open(place.path("err"), encoding="utf-8") as f:
            for line in f:
                if "gdb: tcp:127.0.0.1:" in line and line.endswith("\n"):
                    return int(line.rsplit(":", 1)[1])
        return None
    sock = socket.create_connection(("127.0.0.1", place.until("a port", port)), LIMIT)
    assert Gdb(sock).ask(b"?")[:1] == b"T"
    sock.close()
    console = place.connect("tty")
    console.sendall(b"q")
    while console.recv(4096):
        pass
    ends(machine, 0)


def on_pty(place):
    machine = place.start("msg", "--console", "pty")

    def name():
        with open(place.path("err"), encoding="utf-8") as f:
            text = f.read()
        return text.endswith("\n") and text.rsplit(" ", 1)[1].strip()
    fd = os.open(place.until("a name", name), os.O_RDWR | os.O_NOCTTY)
    os.write(fd, b"q")
    ends(machine, 0)
    os.close(fd)


def to_file(place):
    machine = place.start("hello", "--console", f"file:{place.path('out')}")
    ends(machine, 0)
    with open(place.path("out"), "rb") as f:
        assert f.read() == b"hello from the guest\r\n"


def crashes(place):
    machine = place.start("triple", "--console", "none")
    ends(machine, 3)
    with open(place.path("err"), encoding="utf-8") as f:
        assert "triple fault" in f.read()


class Terminal:
    """Where a machine's keys come from; its modes are to be as before."""

    def __init__(self):
        self.master, self.slave = pty.openpty()
        self.before = termios.tcgetattr(self.slave)

    def start(self, place, *args):
        machine = place.start("msg", *args, stdin=self.slave,
                              stdout=self.slave)
        self.until_says(place, b"ready")
        assert termios.tcgetattr(self.slave) != self.before
        return machine

    def until_says(self, place, text):
        seen = [b""]

        def look():
            if select.select([self.master], [], [], 0)[0]:
                seen[0] += os.read(self.master, 4096)
            return text in seen[0]
        place.until(text, look)

    def close(self):
        after = termios.tcgetattr(self.slave)
        os.close(self.master)
        os.close(self.slave)
        assert after == self.before


def on_terminal(place):
    terminal = Terminal()
    machine = terminal.start(place)
    os.write(terminal.master, STEP_END)
    ends(machine, STOPPED)
    terminal.close()


def ended_by(sig, status, thread=None):
    """By a fault of its own, or by what a filter does."""
    def work(place):
        terminal = Terminal()
        machine = terminal.start(place, "--disk", place.image("a.img"), "--net",
                                 f"link,path={place.path('link')}")
        tid = thread_of(place, machine, thread) if thread else machine.pid
        signal_thread(machine, tid, sig)
        ends(machine, status)
        terminal.close()
    return work


# ---- disks ------------------------------------------------------------------------


def disk(options, append, size=1 << 20):
    def work(place):
        machine = place.start("blk", "--append", append, "--disk",
                              place.image("a.img", size) + options,
                              stdout=subprocess.PIPE)
        out, _ = machine.communicate(timeout=LIMIT)
        with open(place.path("err"), encoding="utf-8") as f:
            if "cannot be used with cache=none" in f.read():
                raise Missing("no O_DIRECT here")
        ends(machine, 0)
        assert out.strip() == b"PASS", out
    return work


def disk_of_tables(options):
    """An image that has tables, and grows."""
    def work(place):
        name = place.path("a.qcow2")
        subprocess.run(["build/vireo", "img", "create", "-f", "qcow2", name,
                        "1M"], check=True, stdout=subprocess.DEVNULL)
        machine = place.start("blk", "--disk", name + options,
                              stdout=subprocess.PIPE)
        out, _ = machine.communicate(timeout=LIMIT)
        ends(machine, 0)
        assert out.strip() == b"PASS", out
    return work


@contextlib.contextmanager
def loop_device(place):
    place.image("a.img")
    found = subprocess.run(["losetup", "--show", "-f", place.path("a.img")],
                           capture_output=True, text=True, check=False)
    if found.returncode:
        raise Missing(found.stderr.strip())
    name = found.stdout.strip()
    try:
        yield name
    finally:
        subprocess.run(["losetup", "-d", name], check=False)


def on_device(place):
    """A block device, and one that comes later."""
    with loop_device(place) as name:
        machine = place.start("blk", "--disk", f"{name},aio=threads",
                              stdout=subprocess.PIPE)
        out, _ = machine.communicate(timeout=LIMIT)
        assert out.strip() == b"PASS", out
        ends(machine, 0)
        place.processes.clear()
        machine = place.start("spin", "--console", "none", "--scsi",
                              place.image("b.img"))
        client = place.client()
        fd = os.open(name, os.O_RDWR)
        client.ask("add-fd", {"fdset-id": 1}, fds=[fd])
        os.close(fd)
        client.command("x-vireo-scsi-add", path="/dev/fdset/1")
        quits(client, machine)


def in_kernel(options):
    """A disk that the module serves."""
    def work(place):
        if not os.path.exists("/dev/vireo"):
            raise Missing("no module")
        with loop_device(place) as name:
            machine = place.start("blk", "--append", "msix=1 stay=1",
                                  "--console", f"file:{place.path('out')}",
                                  "--log", "info", "--disk",
                                  f"{name},aio=kernel{options}")
            client = place.client()
            place.until("it passes", lambda: passes(place))
            with open(place.path("err"), encoding="utf-8") as f:
                assert "disk0: vireo.ko serves it" in f.read()
            client.command("query-blockstats")
            client.command("block_resize", device="disk0", size=0)
            quits(client, machine)
    return work


def passes(place):
    with open(place.path("out"), "rb") as f:
        text = f.read().strip()
    assert text in (b"", b"PASS"[:len(text)]), text
    return text == b"PASS"


def reset(place):
    """With messages in use, and registers moved."""
    machine = place.start("blk", "--append", "stay=1 msix=1", "--console",
                          f"file:{place.path('out')}", "--disk",
                          place.image("a.img") + ",iothreads=0")
    client = place.client()
    place.until("it passes", lambda: passes(place))
    client.command("system_reset")
    client.event("RESET")
    client.command("query-status")
    quits(client, machine)


def paused(place):
    """In the middle of requests."""
    machine = place.start("blk", "--append", "again=1", "--console", "none",
                          "--disk", place.image("a.img") + ",aio=threads")
    client = place.client()
    for _ in range(40):
        client.command("stop")
        client.command("cont")
    quits(client, machine)


def random_bytes(place):
    machine = place.start("blk", "--append", "rng=1", "--rng",
                          stdout=subprocess.PIPE)
    out, _ = machine.communicate(timeout=LIMIT)
    ends(machine, 0)
    assert out.strip() == b"PASS", out


def nested(place):
    machine = place.start("nested", "--console", "none")
    ends(machine, 0)


def huge(place):
    machine = place.start("hello", "--console", "none", memory="64M,huge")
    ends(machine, 0)


def no_routes(place):
    """Messages, when KVM has no room for more of their routes."""
    place.env["SIEVE_NO_ROUTES"] = "1"
    disk(",aio=threads", "msix=1")(place)


def no_routes_main(place):
    place.env["SIEVE_NO_ROUTES"] = "1"
    disk(",iothreads=0", "msix=1")(place)


def resized(place):
    machine = place.start("spin", "--console", "none", "--disk",
                          place.image("a.img"))
    client = place.client()
    client.command("block_resize", device="disk0", size=2 << 20)
    quits(client, machine)


def kept(place):
    """A snapshot of a machine that uses messages, and what goes on from it."""
    machine = place.start("blk", "--append", "stay=1 msix=1", "--console",
                          f"file:{place.path('out')}", "--disk",
                          place.image("a.img") + ",iothreads=0")
    client = place.client()
    place.until("it passes", lambda: passes(place))
    subprocess.run([place.program, "snapshot", "m", place.path("snap")],
                   env=place.env, check=True, timeout=LIMIT,
                   stdout=subprocess.DEVNULL)
    quits(client, machine)
    place.processes.remove(machine)
    with open(place.path("err"), "ab") as err:
        again = subprocess.Popen(
            [place.program, "restore", place.path("snap")], env=place.env,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=err)
    place.processes.append(again)
    client = place.client()
    client.command("query-status")
    quits(client, again)


ENGINES = ("cache=none,aio=libaio", "aio=io_uring", "aio=threads")

# ---- network cards ------------------------------------------------------------------


def echo(sock):
    """Until the other has gone."""
    try:
        while data := sock.recv(1 << 16):
            sock.sendall(data)
    except OSError:
        pass


def swallow(sock):
    try:
        while sock.recv(1 << 16):
            pass
    except OSError:
        pass


def behind(what, *args):
    thread = threading.Thread(target=what, args=args, daemon=True)
    thread.start()
    return thread


def net(options, append):
    """Frames that come back."""
    def work(place):
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(place.path("peer"))
            listener.listen()
            behind(lambda: echo(listener.accept()[0]))
            machine = place.start("net", "--append", append, "--net",
                                  f"passt,path={place.path('peer')}{options}",
                                  stdout=subprocess.PIPE)
            out, _ = machine.communicate(timeout=LIMIT)
            ends(machine, 0)
            assert out.strip() == b"PASS", out
    return work


def linked(options):
    """One peer after the other, and the last is still there at a pause."""
    def work(place):
        machine = place.start("net", "--append", "echo=0 rounds=0", "--console",
                              "none", "--net",
                              f"link,path={place.path('link')}{options}")
        client = place.client()

        def peer():
            return client.command("x-vireo-query-net")[0]["peer"]
        for _ in range(3):
            sock = place.connect("link")
            thread = behind(swallow, sock)
            place.until("it is seen", peer)
            sock.shutdown(socket.SHUT_RDWR)
            thread.join()
            sock.close()
            place.until("it is missed", lambda: not peer())
        behind(swallow, place.connect("link"))
        place.until("it is seen", peer)
        for _ in range(10):
            client.command("stop")
            client.command("cont")
        client.ask("set_link", {"name": "net0", "up": False})
        client.command("system_reset")
        client.event("RESET")
        quits(client, machine)
    return work


def found_again(options):
    """One that it connected to goes and comes back."""
    def work(place):
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(place.path("peer"))
            listener.listen()
            listener.settimeout(LIMIT)
            machine = place.start("net", "--append", "echo=0 rounds=0",
                                  "--console", "none", "--net",
                                  f"passt,path={place.path('peer')}{options}")
            listener.accept()[0].close()
            sock = listener.accept()[0]
            behind(swallow, sock)
            client = place.client()
            place.until("it is seen", lambda: client.command(
                "x-vireo-query-net")[0]["peer"])
            quits(client, machine)
    return work


def of_another(place):
    """A disk of another process, who goes and comes back."""
    if not shutil.which("qemu-storage-daemon"):
        raise Missing("no qemu-storage-daemon")

    def said(text):
        with open(place.path("err"), encoding="utf-8") as f:
            return text in f.read()

    def backend():
        export = ("vhost-user-blk,id=e,node-name=f,writable=on,addr.type=unix,"
                  f"addr.path={place.path('qsd')}")
        process = subprocess.Popen(
            ["qemu-storage-daemon", "--blockdev",
             f"file,node-name=f,filename={place.path('a.img')}",
             "--export", export])
        place.until("it listens", lambda: os.path.exists(place.path("qsd")))
        return process
    place.image("a.img")
    process = backend()
    try:
        machine = place.start("spin", "--paused", "--console", "none",
                              "--vhost-user-blk", place.path("qsd"))
        client = place.client()
        process.kill()
        process.wait()
        place.until("it is missed", lambda: said("its backend has gone"))
        os.unlink(place.path("qsd"))
        process = backend()
        place.until("it is seen", lambda: said("its backend is back"))
        quits(client, machine)
        # And one that serves to the end.
        machine = place.start("blk", "--vhost-user-blk", place.path("qsd"),
                              stdout=subprocess.PIPE)
        out, _ = machine.communicate(timeout=LIMIT)
        ends(machine, 0)
        assert out.strip() == b"PASS", out
    finally:
        process.kill()
        process.wait()


def tap(options):
    """An interface of its own, which goes with it."""
    def work(place):
        machine = place.start("net", "--append", "echo=0 mq=1", "--net",
                              "tap,queues=2" + options, stdout=subprocess.PIPE)
        out, _ = machine.communicate(timeout=LIMIT)
        with open(place.path("err"), encoding="utf-8") as f:
            text = f.read()
        if "/dev/net/tun" in text or "cannot use the interface" in text:
            raise Missing(text.strip())
        ends(machine, 0)
        assert out.strip() == b"PASS", out
    return work


def plugged(place):
    """Devices that come, and are used, and go."""
    try:
        interface = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        # TUNSETIFF: IFF_TAP, IFF_NO_PI and IFF_VNET_HDR
        fcntl.ioctl(interface, 0x400454ca, struct.pack("16sH22x", b"", 0x5002))
    except OSError as e:
        raise Missing(str(e)) from e
    machine = place.start("plug", "--console", "none", "--hotplug")
    client = place.client()
    answer = client.ask("getfd", {"fdname": "tap"}, fds=[interface])
    assert "return" in answer, answer
    os.close(interface)
    client.command("netdev_add", type="tap", id="wire", fd="tap")
    with open(place.image("a.img"), "r+b") as f:
        answer = client.ask("add-fd", {"fdset-id": 1}, fds=[f.fileno()])
    assert "return" in answer, answer
    client.command("blockdev-add", node_name="node", driver="file",
                   filename="/dev/fdset/1")
    for _ in range(3):
        client.command("device_add", driver="virtio-net-pci", id="net",
                       netdev="wire")
        client.command("device_add", driver="virtio-blk-pci", id="disk",
                       drive="node")
        client.command("query-block")
        for ident in "net", "disk":
            client.command("device_del", id=ident)
            client.event("DEVICE_DELETED")
    quits(client, machine)


def net_no_routes(options):
    def work(place):
        place.env["SIEVE_NO_ROUTES"] = "1"
        net(options, "msix=1")(place)
    return work


WORKS = {
    "hello": to_file,
    "a crash": crashes,
    "QMP": asks,
    "a signal to the process": kicked,
    "stopped": stopped,
    "--detach": detached,
    "a debugger": debugs,
    "a debugger by TCP": debugs_by_tcp,
    "a pseudo-terminal": on_pty,
    "a terminal": on_terminal,
    "abort": ended_by(signal.SIGABRT, -signal.SIGABRT),
    "refused": ended_by(signal.SIGSYS, REFUSED),
    "abort of an I/O thread": ended_by(signal.SIGABRT, -signal.SIGABRT, "io-disk0"),
    "refused to an I/O thread": ended_by(signal.SIGSYS, REFUSED, "io-disk0"),
    "abort of a network thread": ended_by(signal.SIGABRT, -signal.SIGABRT, "io-net0"),
    "refused to a network thread": ended_by(signal.SIGSYS, REFUSED, "io-net0"),
    "block_resize": resized,
    "a disk in the kernel": in_kernel(""),
    "a disk in the kernel, main thread": in_kernel(",iothreads=0"),
    "a block device": on_device,
    "a reset": reset,
    "a snapshot": kept,
    "hot-plug": plugged,
    "pauses": paused,
    "random bytes": random_bytes,
    "a guest in the guest": nested,
    "huge pages": huge,
    "a disk of another process": of_another,
    "no more routes": no_routes,
    "no more routes, main thread": no_routes_main,
    "qcow2": disk_of_tables(""),
    "qcow2 in the main thread": disk_of_tables(",iothreads=0"),
}
for engine in ENGINES:
    WORKS[f"disk: {engine}"] = disk("," + engine, "msix=0")
    WORKS[f"disk: {engine}, messages"] = disk("," + engine, "msix=1")
    WORKS[f"disk: {engine}, main thread"] = disk(
        f",{engine},iothreads=0", "msix=0")
    WORKS[f"disk: {engine}, main thread, messages"] = disk(
        f",{engine},iothreads=0", "msix=1")
for where, where_options in {"": "", ", main thread": ",iothreads=0"}.items():
    WORKS[f"network{where}"] = net(where_options, "")
    WORKS[f"network{where}, messages"] = net(where_options, "msix=1")
    WORKS[f"network{where}, limits"] = net(where_options + ",iops=100,iops-burst=1", "")
    WORKS[f"network{where}, no more routes"] = net_no_routes(where_options)
    WORKS[f"network{where}, link"] = linked(where_options)
    WORKS[f"network{where}, found again"] = found_again(where_options)
    WORKS[f"network{where}, tap"] = tap(where_options)
