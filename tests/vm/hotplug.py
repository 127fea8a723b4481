#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""usage: tests/vm/hotplug.py SOCKET CONSOLE IMAGE ROUNDS

Plugs a disk of IMAGE, a network card (where there is /dev/net/tun) and a source
of random bytes into the machine at SOCKET, ROUNDS times, and takes them out,
while its guest, which runs tests/vm/hotplug_guest.sh, says in the file CONSOLE
what it sees.  Prints one line in the end."""

import fcntl
import hashlib
import os
import struct
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)) + "/../qmp")

from client import Client  # noqa: E402

PROGRESS = 10

LIMIT = 300
TUNSETIFF = 0x400454ca
IFF_TAP, IFF_NO_PI, IFF_VNET_HDR = 0x0002, 0x1000, 0x4000


class Guest:
    """What it says, line by line, in whatever order."""

    def __init__(self, path):
        self.file = open(path, "rb")
        self.rest = b""
        self.lines = []

    def says(self, line):
        end = time.monotonic() + LIMIT
        while line not in self.lines:
            self.rest += self.file.read().replace(b"\r", b"").replace(b"\0", b"")
            *lines, self.rest = self.rest.split(b"\n")
            self.lines += [
                text[7:].decode() for text in lines
                if text.startswith(b"guest: ")]
            assert time.monotonic() < end, f"no '{line}': {self.lines}"
            time.sleep(0.05)
        self.lines.remove(line)


def tap():
    try:
        fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    except OSError:
        return None
    fcntl.ioctl(fd, TUNSETIFF, struct.pack(
        "16sH22x", b"", IFF_TAP | IFF_NO_PI | IFF_VNET_HDR))
    return fd


class Plugs:
    def __init__(self, client, guest, image):
        self.client = client
        self.guest = guest
        self.image = image
        with open(image, "rb") as f:
            self.sum = hashlib.sha256(f.read(65536)).hexdigest()
        self.tap = tap()
        self.kinds = ["disk", "rng"] + (["net"] if self.tap else [])

    def back(self):
        c = self.client
        fd = os.open(self.image, os.O_RDWR)
        got = c.ask("add-fd", {"fdset-id": 1}, fds=[fd])
        assert "return" in got, got
        os.close(fd)
        c.command("blockdev-add", node_name="image", driver="raw",
                  file={"driver": "file", "filename": "/dev/fdset/1"})
        c.command("remove-fd", fdset_id=1)
        c.command("object-add", qom_type="rng-random", id="bytes")
        if self.tap:
            got = c.ask("getfd", {"fdname": "tap"}, fds=[self.tap])
            assert "return" in got, got
            c.command("netdev_add", type="tap", id="wire", fd="tap")

    def unback(self):
        c = self.client
        c.command("blockdev-del", node_name="image")
        c.command("object-del", id="bytes")
        if self.tap:
            c.command("netdev_del", id="wire")

    def round(self, n):
        c, guest = self.client, self.guest
        mac = f"02:00:00:00:{n >> 8:02x}:{n & 255:02x}"
        c.command("device_add", driver="virtio-blk-pci", id="d", drive="image",
                  serial=f"round-{n}")
        c.command("device_add", driver="virtio-rng-pci", id="r", rng="bytes")
        if self.tap:
            c.command("device_add", driver="virtio-net-pci", id="n",
                      netdev="wire", mac=mac)
        busy = c.ask("blockdev-del", {"node-name": "image"})
        assert "in use" in busy["error"]["desc"], busy
        guest.says(f"disk round-{n} {self.sum}")
        guest.says("rng bytes 64")
        if self.tap:
            guest.says(f"net {mac} up")
        for kind in self.kinds:
            c.command("device_del", id=kind[0])
        for kind in self.kinds:
            c.sock.settimeout(LIMIT)
            event = c.event("DEVICE_DELETED")["data"]
            assert event["path"] == "/machine/peripheral/" + event["device"]
        for kind in self.kinds:
            guest.says(f"{kind} gone")
        left = {d["device"] for d in c.command("query-block")}
        assert left == {"disk0"}, left


def main():
    path, console, image, rounds = sys.argv[1:]
    guest = Guest(console)
    plugs = Plugs(Client.at(path).negotiated(), guest, image)
    guest.says("watches")
    for n in range(int(rounds)):
        if n % 10 == 0:
            plugs.back()
        plugs.round(n)
        if n % PROGRESS == PROGRESS - 1:
            print(n + 1, flush=True)
        if n % 10 == 9 or n == int(rounds) - 1:
            plugs.unback()
    print(f"{rounds} rounds of {' '.join(plugs.kinds)}")


main()
