# SPDX-License-Identifier: GPL-2.0-or-later
"""Devices that come and go by QMP, in a guest that ejects them (the payload plug)
and in one that does not know of any.  $PLUG_ROUNDS: how often."""

import fcntl
import os
import struct

from hostile import quit_cleanly

ROUNDS = int(os.environ.get("PLUG_ROUNDS", "30"))
TUNSETIFF = 0x400454ca
IFF_TAP, IFF_NO_PI, IFF_VNET_HDR = 0x0002, 0x1000, 0x4000
FDSET = "/dev/fdset/1"


def tap():
    """A new interface, or None."""
    try:
        fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        fcntl.ioctl(fd, TUNSETIFF, struct.pack(
            "16sH22x", b"", IFF_TAP | IFF_NO_PI | IFF_VNET_HDR))
        return fd
    except OSError:
        return None


class Plugs:
    """What is plugged in, and what is behind it."""

    def __init__(self, host, client):
        self.client = client
        self.image = os.path.join(host.directory, "plug.img")
        with open(self.image, "wb") as f:
            f.truncate(1 << 20)
        self.tap = tap()
        self.ids = ["d", "r", "n"] if self.tap else ["d", "r"]

    def fd(self, command, arguments, fd):
        answer = self.client.ask(command, arguments, fds=[fd])
        assert "return" in answer, answer

    def back(self):
        c = self.client
        with open(self.image, "r+b") as f:
            self.fd("add-fd", {"fdset-id": 1}, f.fileno())
        c.command("blockdev-add", node_name="file", driver="file", filename=FDSET)
        c.command("blockdev-add", node_name="node", driver="raw", file="file")
        c.command("remove-fd", fdset_id=1)
        c.command("object-add", qom_type="rng-random", id="bytes")
        if self.tap:
            self.fd("getfd", {"fdname": "tap"}, self.tap)
            c.command("netdev_add", type="tap", id="wire", fd="tap")

    def unback(self):
        c = self.client
        c.command("blockdev-del", node_name="node")
        c.command("blockdev-del", node_name="file")
        c.command("object-del", id="bytes")
        if self.tap:
            c.command("netdev_del", id="wire")

    def add(self):
        c = self.client
        c.command("device_add", driver="virtio-blk-pci", id="d", drive="node",
                  addr="0x9")
        c.command("device_add", driver="virtio-rng-pci", id="r", rng="bytes")
        if self.tap:
            c.command("device_add", driver="virtio-net-pci", id="n",
                      netdev="wire", mac="02:00:00:00:00:01")

    def remove(self):
        for ident in self.ids:
            self.client.command("device_del", id=ident)

    def gone(self):
        """They went, each once."""
        gone = set()
        for _ in self.ids:
            data = self.client.event("DEVICE_DELETED")["data"]
            assert data["path"] == "/machine/peripheral/" + data["device"], data
            gone.add(data["device"])
        assert gone == set(self.ids), gone
        assert self.client.command("query-block") == []


def descriptors(machine):
    return len(os.listdir(f"/proc/{machine.process.pid}/fd"))


def rounds(plugs, machine, go):
    first = None
    for n in range(ROUNDS):
        plugs.back()
        plugs.add()
        go(n)
        plugs.gone()
        plugs.unback()
        first = first or descriptors(machine)
    assert descriptors(machine) <= first + 1, (first, descriptors(machine))
    return f"{ROUNDS} rounds of {len(plugs.ids)} devices"


def test_eject(host):
    """The guest lets go of what it is asked for, and uses it all the while."""
    with host.vireo("--hotplug", payload="plug") as m:
        plugs = Plugs(host, m.client())
        said = rounds(plugs, m, lambda n: plugs.remove())
        quit_cleanly(m)
        return said


def test_unasked(host):
    """The guest ejects all the time: only what is asked for goes."""
    with host.vireo("--hotplug", "--append", "wild=1", payload="plug") as m:
        client = m.client()
        plugs = Plugs(host, client)

        def go(_):
            there = client.command("query-pci")[0]["devices"]
            ids = {d["qdev_id"] for d in there}
            assert ids.issuperset(plugs.ids), ids
            plugs.remove()

        said = rounds(plugs, m, go)
        quit_cleanly(m)
        return said


def test_reset(host):
    """A guest that knows of nothing: it goes with a reset; also while paused."""
    with host.vireo("--hotplug") as m:
        client = m.client()
        plugs = Plugs(host, client)

        def reset(n):
            client.command("stop" if n % 2 else "cont")
            plugs.remove()
            client.command("system_reset")

        said = rounds(plugs, m, reset)
        quit_cleanly(m)
        return said


def test_end(host):
    """A machine ends with what is plugged in, and asked for."""
    with host.vireo("--hotplug", payload="plug") as m:
        plugs = Plugs(host, m.client())
        plugs.back()
        plugs.add()
        plugs.remove()
        quit_cleanly(m)


def test_options(host):
    """One that comes by an option goes as well; the machine's own do not."""
    with host.vireo("--hotplug", "--disk", f"{host.disk},iothreads=1",
                    "--rng", payload="plug") as m:
        client = m.client()
        client.command("device_del", id="/machine/peripheral/disk0")
        assert client.event("DEVICE_DELETED")["data"]["device"] == "disk0"
        for ident, why in (("serial0", "does not support hotplugging"),
                           ("none", "not found")):
            answer = client.ask("device_del", {"id": ident})
            assert why in answer["error"]["desc"], answer
        quit_cleanly(m)


def test_refused(host):
    """What cannot be, and nothing stays."""
    with host.vireo("--hotplug") as m:
        client = m.client()
        plugs = Plugs(host, client)
        plugs.back()
        plugs.add()
        before = client.command("query-pci")
        for wrong in ({"driver": "e1000", "id": "x"},
                      {"driver": "virtio-rng-pci"},
                      {"driver": "virtio-rng-pci", "id": ""},
                      {"driver": "virtio-rng-pci", "id": "../x"},
                      {"driver": "virtio-rng-pci", "id": "x" * 32},
                      {"driver": "virtio-rng-pci", "id": "r"},
                      {"driver": "virtio-rng-pci", "id": "x", "rng": "bytes"},
                      {"driver": "virtio-rng-pci", "id": "x", "rng": "none"},
                      {"driver": "virtio-rng-pci", "id": "x", "rng": 1},
                      {"driver": "virtio-rng-pci", "id": "x", "bus": "pci.7"},
                      {"driver": "virtio-rng-pci", "id": "x", "addr": "0x9"},
                      {"driver": "virtio-rng-pci", "id": "x", "addr": "0x1f"},
                      {"driver": "virtio-rng-pci", "id": "x", "addr": "5.1"},
                      {"driver": "virtio-rng-pci", "id": "x", "addr": -8},
                      {"driver": "virtio-rng-pci", "id": "x", "speed": 1},
                      {"driver": "virtio-blk-pci", "id": "x"},
                      {"driver": "virtio-blk-pci", "id": "x", "drive": "node"},
                      {"driver": "virtio-blk-pci", "id": "x", "drive": "none"},
                      {"driver": "virtio-blk-pci", "id": "x", "drive": "node",
                       "serial": "x" * 21},
                      {"driver": "virtio-net-pci", "id": "x", "netdev": "none"}):
            answer = client.ask("device_add", wrong)
            assert "error" in answer, (wrong, answer)
        for command, wrong in (
                ("blockdev-add", {"driver": "raw", "file": "node"}),
                ("blockdev-add", {"driver": "raw", "node-name": "node",
                                  "file": "file"}),
                ("blockdev-add", {"driver": "raw", "node-name": "x",
                                  "file": "file"}),
                ("blockdev-add", {"driver": "raw", "node-name": "x", "file": 1}),
                ("blockdev-add", {"driver": "nbd", "node-name": "x"}),
                ("blockdev-add", {"driver": "file", "node-name": "x",
                                  "filename": "/dev/fdset/77"}),
                ("blockdev-del", {"node-name": "node"}),
                ("blockdev-del", {"node-name": "none"}),
                ("object-add", {"qom-type": "iothread", "id": "x"}),
                ("object-add", {"qom-type": "rng-random", "id": "x",
                                "filename": "/etc/passwd"}),
                ("object-del", {"id": "bytes"}),
                ("netdev_add", {"type": "user", "id": "x"}),
                ("netdev_add", {"type": "tap", "id": "x", "fd": "none"}),
                ("netdev_del", {"id": "none"})):
            answer = client.ask(command, wrong)
            assert "error" in answer, (command, wrong, answer)
        assert client.command("query-pci") == before
        plugs.remove()
        client.command("system_reset")
        plugs.gone()
        plugs.unback()
        quit_cleanly(m)


def test_without(host):
    """A machine that was not started for it says so."""
    with host.vireo() as m:
        answer = m.client().ask("device_add", {"driver": "virtio-rng-pci",
                                               "id": "x"})
        assert "--hotplug" in answer["error"]["desc"], answer
        quit_cleanly(m)


def test_full(host):
    """As many as there are slots, and again when some are free."""
    with host.vireo("--hotplug") as m:
        client = m.client()
        for _ in range(3):
            for n in range(30):
                client.command("device_add", driver="virtio-rng-pci", id=f"r{n}")
            answer = client.ask("device_add", {"driver": "virtio-rng-pci",
                                               "id": "x"})
            assert "no free PCI slot" in answer["error"]["desc"], answer
            for n in range(30):
                client.command("device_del", id=f"r{n}")
            client.command("system_reset")
            for n in range(30):
                client.event("DEVICE_DELETED")
        quit_cleanly(m)


TESTS = [
    ("plug: ejected by the guest", test_eject),
    ("plug: ejected unasked", test_unasked),
    ("plug: gone with a reset", test_reset),
    ("plug: the machine ends", test_end),
    ("plug: devices of options", test_options),
    ("plug: refused", test_refused),
    ("plug: without --hotplug", test_without),
    ("plug: every slot", test_full),
]
