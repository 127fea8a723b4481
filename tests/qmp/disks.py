# SPDX-License-Identifier: GPL-2.0-or-later
"""SCSI disks that come and go by QMP."""

import os

from hostile import quit_cleanly

ADD = "x-vireo-scsi-add"


def image(host, client, name, fdset):
    """An image, passed as a descriptor: a machine that is locked in opens none."""
    with open(os.path.join(host.directory, name), "w+b") as f:
        f.truncate(1 << 20)
        answer = client.ask("add-fd", {"fdset-id": fdset}, fds=[f.fileno()])
        assert "return" in answer, answer
    return f"/dev/fdset/{fdset}"


def inserted(client, ident):
    """What is told of the disk, or None."""
    for block in client.command("query-block"):
        if block["device"] == ident:
            return block["inserted"]
    return None


def test_limits(host):
    """They are the disk's from its beginning."""
    with host.vireo("--scsi", host.disk) as m:
        client = m.client()
        answer = client.ask(ADD, {
            "path": image(host, client, "more.img", 1), "iops": 100, "iops-burst": 20,
            "bps": 1 << 20, "bps-burst": 4096, "on-error": "stop"})
        assert "return" in answer, answer
        ident = answer["return"]["id"]
        disk = inserted(client, ident)
        assert (disk["iops"], disk["iops_max"], disk["bps"],
                disk["bps_max"]) == (100, 20, 1 << 20, 4096), disk
        assert disk["iops_rd"] == disk["bps_wr"] == 0, disk
        client.command("x-vireo-scsi-remove", id=ident)
        answer = client.ask(ADD, {"path": image(host, client, "again.img", 2),
                                  "on-error": "report"})
        ident = answer["return"]["id"]
        disk = inserted(client, ident)
        assert disk["iops"] == disk["bps"] == 0 and "iops_max" not in disk, disk
        quit_cleanly(m)


def test_refused(host):
    """What the command line would not take, either; and nothing stays."""
    with host.vireo("--scsi", host.disk) as m:
        client = m.client()
        before = client.command("query-block")
        more = image(host, client, "more.img", 1)
        for wrong in ({"iops": 0}, {"iops": -1}, {"iops": 1000000001},
                      {"iops-burst": 0}, {"iops": 1 << 32 | 1},
                      {"iops-burst": 1 << 62}, {"bps": 1023},
                      {"bps": (1 << 40) + 1}, {"bps-burst": -(1 << 63)},
                      {"bps-burst": 0}, {"bps": "1M"}, {"on-error": "ignore"},
                      {"on-error": 1}):
            answer = client.ask(ADD, {"path": more, **wrong})
            assert "error" in answer, (wrong, answer)
            desc = answer["error"]["desc"]
            assert list(wrong)[0] in desc and "unexpected" not in desc, desc
        assert client.command("query-block") == before
        quit_cleanly(m)


TESTS = [
    ("a disk more, with limits", test_limits),
    ("a disk more, with limits that are none", test_refused),
]
