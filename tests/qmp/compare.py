# SPDX-License-Identifier: GPL-2.0-or-later
"""The same script for QEMU 7.2 and vireo: what they answer has one shape."""

import json
import os

from schema import Comparison, Schema

DISK = "/machine/peripheral/disk0"
UUID = "6BA7B810-9DAD-11D1-80B4-00C04FD430c8"

# Commands that both can answer, with arguments.
QUERIES = [
    ("query-version", None),
    ("query-status", None),
    ("query-name", None),
    ("query-uuid", None),
    ("query-kvm", None),
    ("query-target", None),
    ("query-cpus-fast", None),
    ("query-memory-size-summary", None),
    ("query-iothreads", None),
    ("query-commands", None),
    ("query-qmp-schema", None),
    ("query-block", None),
    ("query-blockstats", None),
    ("query-blockstats", {"query-nodes": False}),
    ("query-chardev", None),
    ("query-pci", None),
    ("query-fdsets", None),
    ("query-stats-schemas", {"provider": "kvm"}),
    ("query-stats", {"target": "vm", "providers": [{"provider": "kvm"}]}),
    ("query-stats", {"target": "vcpu", "providers": [{"provider": "kvm"}]}),
    ("query-stats", {"target": "vcpu",
                     "vcpus": ["/machine/unattached/device[0]"],
                     "providers": [{"provider": "kvm", "names": ["exits"]}]}),
    ("qom-list", {"path": "/"}),
    ("qom-list", {"path": "/machine"}),
    ("qom-list", {"path": "/machine/peripheral"}),
    ("qom-list", {"path": "/machine/unattached"}),
    ("qom-list", {"path": DISK}),
    ("qom-get", {"path": DISK, "property": "type"}),
    ("qom-get", {"path": DISK, "property": "serial"}),
    ("qom-get", {"path": DISK, "property": "realized"}),
    ("qom-get", {"path": "/machine", "property": "peripheral"}),
    ("qom-list-types", None),
    ("qom-list-types", {"implements": "virtio-pci", "abstract": True}),
    ("qom-list-properties", {"typename": "virtio-blk-pci"}),
    ("device-list-properties", {"typename": "virtio-blk-pci"}),
    ("device-list-properties", {"typename": "mch"}),
]

# Requests that both refuse, in the same words; what the JSON parser says of
# what is no JSON differs.
REFUSED = [
    b'{"execute": "no-such-command"}',
    b'{"execute": "query-status", "arguments": {"x": 1}}',
    b'{"execute": "qom-get", "arguments": {"path": "/"}}',
    b'{"execute": "qom-get", "arguments": {"path": 1, "property": "a"}}',
    b'{"execute": "qom-get", "arguments": {"path": [], "property": "a"}}',
    b'{"execute": "qom-get", "arguments": {"path": "/", "property": "nix"}}',
    b'{"execute": "qom-get", "arguments": {"path": "/nix", "property": "type"}}',
    b'{"execute": "qom-list", "arguments": {"path": "/machine/nix"}}',
    b'{"execute": "qom-list", "arguments": {"path": "nix"}}',
    b'{"execute": "device-list-properties", "arguments": {"typename": "nix"}}',
    b'{"execute": "device-list-properties", "arguments": {"typename": "device"}}',
    b'{"execute": "qom-list-types", "arguments": {"abstract": "yes"}}',
    b'{"execute": "query-stats"}',
    b'{"execute": "query-stats", "arguments": {"target": "nix"}}',
    b'{"execute": "query-stats", "arguments": {"target": 1}}',
    b'{"execute": "query-stats", "arguments": {"target": "vm", "providers": 1}}',
    b'{"execute": "query-stats", "arguments": '
    b'{"target": "vm", "providers": [1]}}',
    b'{"execute": "query-stats", "arguments": '
    b'{"target": "vm", "providers": [{"provider": "nix"}]}}',
    b'{"execute": "query-stats", "arguments": '
    b'{"target": "vm", "providers": [{"provider": "kvm", "names": [0]}]}}',
    b'{"execute": "query-stats", "arguments": {"target": "vm", "vcpus": []}}',
    b'{"execute": "query-stats-schemas", "arguments": {"provider": "x"}}',
    b'{"execute": "human-monitor-command"}',
    b'{"execute": "human-monitor-command", "arguments": '
    b'{"command-line": "help", "cpu-index": "0"}}',
    b'{"execute": "human-monitor-command", "arguments": '
    b'{"command-line": "help", "cpu-index": 99}}',
    b'{"execute": "human-monitor-command", "arguments": '
    b'{"command-line": "help", "cpu-index": -1}}',
    b'{"execute": "qmp_capabilities"}',
    b'{"execute": 1}',
    b'{"execute": "stop", "nix": 1}',
    b'{"execute": "stop", "arguments": []}',
    b'{"execute": "stop", "exec-oob": "stop"}',
    b'{"arguments": {}}',
    b'{}',
    b'[1]',
    b'1 ',
    b'true ',
    b'"text"',
    b'{"execute": "getfd", "arguments": {"fdname": "a"}}',
    b'{"execute": "getfd", "arguments": {}}',
    b'{"execute": "closefd", "arguments": {"fdname": "nix"}}',
    b'{"execute": "add-fd"}',
    b'{"execute": "remove-fd", "arguments": {"fdset-id": 4}}',
    b'{"execute": "remove-fd", "arguments": {"fdset-id": 4, "fd": 3}}',
    b'{"execute": "query-status", "id": {"a": [1, null, "b"]}, "x": 0}',
    b'{"execute": "qom-list-properties", "arguments": {"typename": "nix"}}',
    b'{"execute": "block_resize", "arguments": {"size": -1}}',
    b'{"execute": "block_resize", "arguments": {"size": 1, "device": "x"}}',
    b'{"execute": "block_resize", "arguments": {"size": 1, "node-name": "x"}}',
    b'{"execute": "eject", "arguments": {"device": "a", "id": "b"}}',
    b'{"execute": "eject", "arguments": {"id": "b"}}',
    b'{"execute": "blockdev-change-medium", "arguments": {"filename": "x"}}',
] + [b'{"execute": "block_set_io_throttle", "arguments": {"iops_rd": 0, '
     b'"iops_wr": 0, "bps_rd": 0, "bps_wr": 0, %s}}' % rest for rest in (
         b'"bps": 1, "iops": 1',
         b'"bps": 1, "iops": 1, "device": "a", "id": "b"',
         b'"bps": 1, "iops": 1, "device": "a"',
         b'"bps": 1, "iops": 1, "id": "b"',
     )] + [
    # No JSON.
    b'{]',
    b'{"execute":}',
    b'nonsense\n',
    b'{"execute": "query-name", "execute": "stop"}',
    b'{"execute": "stop", }',
]

HMP = ["", "nix", "info nix", "info status", "info kvm", "info uuid", "stop x",
       "info name", "stop", "info status", "cont", "info status"]


def sorted_text(value):
    return json.dumps(value, sort_keys=True)


def kvm_names(client, target):
    schemas = client.command("query-stats-schemas", provider="kvm")
    return sorted(s["name"] for e in schemas if e["target"] == target
                  for s in e["stats"])


def stream_of(client, steps):
    """Commands one after the other: what came, in its order.  What a command
    only begins may happen before or after its answer."""
    stream = []
    for name, arguments, until in steps:
        begun, begin = until, len(stream)
        ident = client.request(name, arguments)
        answered = False
        while not answered or until:
            message = client.read()
            if "event" in message:
                stream.append((message["event"], message.get("data")))
                if message["event"] == until:
                    until = None
            else:
                assert message["id"] == ident, message
                stream.append((name, message.get("return"),
                               message.get("error")))
                answered = True
        if begun:
            stream[begin:] = sorted(stream[begin:], key=sorted_text)
    return stream


LIFE = [
    ("query-status", None, None),
    ("cont", None, None),
    ("query-status", None, None),
    ("cont", None, None),
    ("stop", None, None),
    ("stop", None, None),
    ("query-status", None, None),
    ("system_reset", None, "RESET"),
    ("query-status", None, None),
    ("cont", None, None),
    ("system_reset", None, "RESET"),
    ("query-status", None, None),
    ("system_powerdown", None, None),
    ("quit", None, "SHUTDOWN"),
]


class Side:
    """One of the two, and all that it said."""

    def __init__(self, machine):
        client = machine.connect()
        self.greeting = client.read()
        self.before = client.ask("query-status")
        self.capabilities = client.ask("qmp_capabilities", {"enable": ["oob"]})
        self.again = client.ask("qmp_capabilities")
        self.schema = Schema(client.command("query-qmp-schema"))
        self.commands = {c["name"] for c in client.command("query-commands")}
        self.queries = [client.ask(*q) for q in QUERIES]
        self.no_oob = client.ask("query-name", oob=True)
        self.refused = []
        for text in REFUSED:
            client.send_raw(text)
            self.refused.append(client.answer())
        self.fds = self.pass_fds(client)
        self.names = {t: kvm_names(client, t) for t in ("vm", "vcpu")}
        self.hmp = [client.ask("human-monitor-command", {"command-line": line})
                    for line in HMP]
        client.command("system_reset")  # prelaunch again
        client.command("stop")
        client.events.clear()
        client.close()

        client = machine.client()
        client.command("stop")
        client.ask("system_reset")
        client.event("RESET")
        self.life = stream_of(client, LIFE)
        self.end = client.at_end()
        self.status = machine.wait()

    @staticmethod
    def pass_fds(client):
        """Answers to commands with descriptors, numbers of these left out."""
        answers = []
        r, w = os.pipe()
        for name, arguments, fds in (
                ("getfd", {"fdname": "one"}, [r]),
                ("getfd", {"fdname": "one"}, [w]),
                ("getfd", {"fdname": "1one"}, [w]),
                ("closefd", {"fdname": "one"}, []),
                ("closefd", {"fdname": "one"}, []),
                ("add-fd", {}, [r]),
                ("add-fd", {"fdset-id": 0, "opaque": "text"}, [r]),
                ("add-fd", {"fdset-id": 7}, [r]),
                ("add-fd", {"fdset-id": -1}, [r]),
                ("add-fd", {}, [w]),
                ("query-fdsets", None, []),
                # QEMU's go only while the machine runs: not looked at.
                ("remove-fd", {"fdset-id": 7}, [])):
            answer = client.ask(name, arguments, fds=fds)
            answer.pop("id")
            answers.append(answer)
        os.close(r)
        os.close(w)
        for answer in answers:
            result = answer.get("return")
            if isinstance(result, dict) and "fd" in result:
                assert result["fd"] > 2
                result["fd"] = 0
            if isinstance(result, list):
                for s in result:
                    for f in s["fds"]:
                        f["fd"] = 0
                    s["fds"].sort(key=sorted_text)
                result.sort(key=sorted_text)
        return answers


def check_greeting(ours, theirs):
    a, b = ours.greeting["QMP"], theirs.greeting["QMP"]
    assert a.keys() == b.keys(), a
    assert a["capabilities"] == b["capabilities"], a
    assert a["version"]["package"].startswith("vireo "), a
    for schema in (ours.schema, theirs.schema):
        ret = schema.by_name["query-version"]["ret-type"]
        assert not schema.check(ret, a["version"], "version")
    for key in ("before", "capabilities", "again"):
        a, b = getattr(ours, key), getattr(theirs, key)
        a.pop("id", None), b.pop("id", None)
        assert a == b, (a, b)


def check_schema(ours, theirs):
    missing = set(ours.schema.references()) - ours.schema.by_name.keys()
    assert not missing, missing
    assert ours.schema.names("command") == ours.commands
    compare = Comparison(ours.schema, theirs.schema)
    complaints = []
    shared = 0
    for name in sorted(ours.commands):
        if name.startswith("x-vireo-"):
            continue
        assert name in theirs.commands, f"{name} is not QEMU's"
        complaints += compare.command(name)
        shared += 1
    for name in sorted(ours.schema.names("event")):
        complaints += compare.event(name)
    assert not complaints, "\n".join(complaints)
    assert shared >= 34, shared


def check_queries(ours, theirs):
    """Each is as both schemas say."""
    complaints = []
    for (name, arguments), a, b in zip(QUERIES, ours.queries, theirs.queries):
        where = f"{name} {arguments or ''}"
        assert "return" in b, (where, b)
        if "return" not in a:
            complaints.append(f"{where}: {a['error']}")
            continue
        for who, schema, answer in (("ours", ours.schema, a),
                                    ("ours, by QEMU's schema", theirs.schema, a),
                                    ("QEMU's", theirs.schema, b)):
            ret = schema.by_name[name]["ret-type"]
            complaints += schema.check(ret, answer["return"], f"{where} ({who})")
        if isinstance(b["return"], list) and b["return"] and not a["return"]:
            complaints.append(f"{where}: is empty")
        if name in ("qom-get", "query-uuid") and a["return"] != b["return"]:
            complaints.append(f"{where}: {a['return']}, not {b['return']}")
    assert not complaints, "\n".join(complaints)


def check_errors(ours, theirs):
    for text, a, b in zip(REFUSED, ours.refused, theirs.refused):
        assert "error" in a and "error" in b, (text, a, b)
        parse = "JSON parse error, "
        if b["error"]["desc"].startswith(parse):
            assert a["error"]["class"] == b["error"]["class"], (text, a)
            assert a["error"]["desc"].startswith(parse), (text, a)
            continue
        for answer in (a, b):  # which comes first is up to a hash
            if "clashes with" in answer["error"]["desc"]:
                answer["error"]["desc"] = "clashes"
        assert a == b, (text, a, b)
    a, b = ours.no_oob, theirs.no_oob
    a.pop("id"), b.pop("id")
    assert a == b, (a, b)


def check_fds(ours, theirs):
    for a, b in zip(ours.fds, theirs.fds):
        assert a == b, (a, b)


def check_stats(ours, theirs):
    for target in ("vm", "vcpu"):
        assert ours.names[target] == theirs.names[target], target


def check_hmp(ours, theirs):
    for line, a, b in zip(HMP, ours.hmp, theirs.hmp):
        if line == "info name":
            assert "test\r\n" == a["return"]
            continue
        assert a.get("return") == b.get("return"), (line, a, b)


def check_life(ours, theirs):
    assert ours.life == theirs.life, "\n".join(
        f"{a}   QEMU: {b}" for a, b in zip(ours.life, theirs.life))
    assert not ours.end and not theirs.end, (ours.end, theirs.end)


CHECKS = [
    ("greeting and negotiation", check_greeting),
    ("schema: ours is a part of QEMU's", check_schema),
    (f"{len(QUERIES)} queries: shapes as both schemas have them", check_queries),
    (f"{len(REFUSED)} errors: class and text", check_errors),
    ("file descriptors", check_fds),
    ("KVM's statistics: the same names", check_stats),
    ("human-monitor-command", check_hmp),
    ("stop, cont, reset, quit: states and events in order", check_life),
]


def sides(host):
    with host.vireo("--paused", "--cpus", "2", "--rng", "--uuid", UUID,
                    "--disk", f"{host.disk},serial=abc") as m:
        ours = Side(m)
        assert ours.status == 4, (ours.status, m.stderr())
    with host.qemu("-S", "-smp", "2", "-uuid", UUID, "-drive",
                   f"file={host.disk},format=raw,if=none,id=d0", "-device",
                   "virtio-blk-pci,drive=d0,id=disk0,serial=abc", "-device",
                   "virtio-rng-pci,id=rng0") as m:
        return ours, Side(m)
