# SPDX-License-Identifier: GPL-2.0-or-later
"""Clients that break the rules, or are slow, or many."""

import json
import os
import random
import select
import socket
import time

from client import Client, Closed

MESSAGE_MAX = 1 << 20
OUT_MAX = 1 << 20
CLIENTS_MAX = 16


# ---- malformed messages -----------------------------------------------------

def valid(rng, commands):
    """A request with arguments that are right only now and then."""
    values = [None, True, 0, -1, 1 << 62, 1.5, "", "vm", "/", "\u0001\u20ac",
              [], [[]], {}, {"a": 1}, "x" * 1000]
    keys = ["path", "property", "typename", "target", "providers", "fdname",
            "fdset-id", "fd", "command-line", "cpu-index", "vcpus", "x"]
    request = {"execute": rng.choice(commands)}
    if rng.random() < 0.7:
        request["arguments"] = {k: rng.choice(values)
                                for k in rng.sample(keys, rng.randrange(4))}
    if rng.random() < 0.5:
        request["id"] = rng.choice(values)
    if rng.random() < 0.2:
        request[rng.choice(["exec-oob", "execute ", "argument", ""])] = 1
    return json.dumps(request).encode()


def malformed(rng, commands):
    """Bytes of one line that are no request, or are a strange one."""
    text = bytearray(valid(rng, commands))
    kind = rng.randrange(6)
    if kind == 0:  # other bytes in it
        for _ in range(rng.randrange(1, 8)):
            text[rng.randrange(len(text))] = rng.randrange(256)
    elif kind == 1:  # cut
        del text[rng.randrange(len(text)):]
    elif kind == 2:  # parts of it twice, or not at all
        i, j = sorted(rng.sample(range(len(text) + 1), 2))
        text[i:j] = text[i:j] * rng.randrange(4)
    elif kind == 3:  # nonsense
        text = bytearray(rng.randbytes(rng.randrange(1, 200)))
    elif kind == 4:  # brackets
        text = bytearray(rng.choices(b'{}[],:"\\ 10ntf', k=rng.randrange(1, 60)))
    return bytes(text).replace(b"\n", b" ")


def closers(text):
    """What ends everything that `text` may have begun: a string, brackets."""
    return b"\n" + b"}" * (text.count(b"{") + text.count(b"[")) + b"\n"


class Talker:
    """Sends batches and counts: all that can be answered must be."""

    def __init__(self, machine, rng):
        self.machine = machine
        self.rng = rng
        self.client = machine.client()
        self.pending = b""
        self.sync = 0
        self.sent = self.answers = self.closed = 0

    def batch(self, commands, count):
        messages = [malformed(self.rng, commands) for _ in range(count)]
        self.sent += count
        self.sync += 1
        # A control character ends a string; closing brackets end the rest.
        text = b"".join(m + closers(m) for m in messages)
        text += b'{"execute": "query-name", "id": "sync %d"}\n' % self.sync
        return text

    def settle(self):
        """Reads until the batch's last command was answered."""
        try:
            while True:
                message = self.client.read()
                assert "return" in message or "error" in message or \
                    "event" in message, message
                self.answers += "event" not in message
                if message.get("id") == f"sync {self.sync}":
                    assert message.get("return") == {"name": "test"}, message
                    return
        except Closed:
            self.closed += 1
            self.client = self.machine.client()


HARMLESS = ["query-name", "query-status", "qom-list", "qom-get", "getfd",
            "closefd", "add-fd", "remove-fd", "query-fdsets", "query-stats",
            "query-stats-schemas", "human-monitor-command", "query-block",
            "query-pci", "qom-list-types", "device-list-properties", "stop",
            "cont", "query-cpus-fast", "qmp_capabilities", "no-such"]


def test_malformed(host):
    """10,000 of them, from five clients at once, in pieces of any size."""
    seed = int(os.environ.get("QMP_SEED", "1"))
    rng = random.Random(seed)
    with host.vireo() as m:
        talkers = [Talker(m, rng) for _ in range(5)]
        while sum(t.sent for t in talkers) < 10000:
            texts = {t: t.batch(HARMLESS, 20) for t in talkers}
            while any(texts.values()):
                t = rng.choice([t for t in talkers if texts[t]])
                n = rng.choice([1, 7, 100, 3000])
                try:
                    t.client.send_raw(texts[t][:n])
                    texts[t] = texts[t][n:]
                except Closed:
                    texts[t] = b""
                drain(talkers)
            for t in talkers:
                t.settle()
        quit_cleanly(m)
    sent = sum(t.sent for t in talkers)
    answers = sum(t.answers for t in talkers)
    assert answers >= sent, (sent, answers)
    return f"seed {seed}: {sent} messages, {answers} answers, " \
           f"{sum(t.closed for t in talkers)} connections closed"


def drain(talkers):
    """Takes what has come, so that nobody waits for us."""
    for t in talkers:
        while select.select([t.client.sock], [], [], 0)[0]:
            data = t.client.sock.recv(1 << 20)
            if not data:
                break
            t.client.rest += data


def quit_cleanly(machine):
    """Ends it; nothing was leaked, nothing was wrong."""
    client = machine.client()
    client.command("quit")
    client.at_end()
    status = machine.wait()
    assert status == 4, (status, machine.stderr()[-3000:])
    assert "Sanitizer" not in machine.stderr(), machine.stderr()[-3000:]
    assert "runtime error" not in machine.stderr(), machine.stderr()[-3000:]


# ---- limits -------------------------------------------------------------------

def last_words(machine, text):
    """What is said to a client that sends `text` before it is disconnected."""
    client = machine.client()
    try:
        for i in range(0, len(text), 65536):
            client.send_raw(text[i:i + 65536])
    except Closed:
        pass
    seen = client.at_end()
    assert seen and "error" in seen[-1], seen
    return seen[-1]["error"]["desc"]


def test_huge(host):
    with host.vireo() as m:
        keeper = m.client()
        big = b'{"execute": "query-name", "id": "' + b"x" * (MESSAGE_MAX - 200) + b'"}'
        client = m.client()
        client.send_raw(big)
        assert client.answer()["return"] == {"name": "test"}
        for text in (b'{"execute": "' + b"x" * (2 * MESSAGE_MAX),
                     b"[" + b"1," * MESSAGE_MAX,
                     b"1" * (2 * MESSAGE_MAX), b'"' + b"\\" * (2 * MESSAGE_MAX)):
            desc = last_words(m, text)
            assert desc == "JSON token size limit exceeded", desc
        assert client.command("query-name") == {"name": "test"}
        assert keeper.command("query-name") == {"name": "test"}
        assert m.stderr().count("size limit exceeded") == 4, m.stderr()
        quit_cleanly(m)


def test_deep(host):
    with host.vireo() as m:
        client = m.client()
        client.send_raw(b"[" * 1024 + b"]" * 1024)
        assert "must be a JSON object" in client.answer()["error"]["desc"]
        client.send_raw(b'{"execute": "query-name", "id": ' + b"[" * 900 +
                        b"]" * 900 + b"}")
        assert client.answer()["return"] == {"name": "test"}
        for text in (b"[" * 1025, b'{"a":' * 100000, b"[" * MESSAGE_MAX):
            desc = last_words(m, text)
            assert desc == "JSON nesting depth limit exceeded", desc
        quit_cleanly(m)


def test_recovery(host):
    """After an error the next request is understood."""
    with host.vireo() as m:
        client = m.client()
        for bad in (b'{"execute": "query-na\n', b"\x00", b"nonsense\n", b"}",
                    b'{"a": \x00', b'"\x01', b"\xff\xfe", b":"):
            client.send_raw(bad)
            client.send_raw(b'{"execute": "query-name", "id": 7}')
            seen = [client.read()]
            while "return" not in seen[-1]:
                seen.append(client.read())
            assert len(seen) > 1, (bad, seen)
            for message in seen[:-1]:
                desc = message["error"]["desc"]
                assert desc.startswith("JSON parse error, "), (bad, desc)
        client.send_raw(b'{"execute": "query-name"} {"execute": "que')
        client.sock.shutdown(socket.SHUT_WR)
        seen = client.at_end()
        assert len(seen) == 2 and "error" in seen[1], seen
        quit_cleanly(m)


# ---- slow ones -----------------------------------------------------------------

def size_of(path):
    return os.path.getsize(path)


def test_slow_reader(host):
    """One asks a lot and reads nothing: it waits, nobody else does."""
    console = os.path.join(host.directory, "console")
    with host.vireo("--console", f"file:{console}") as m:
        slow, other = m.client(), m.client()
        slow.sock.setblocking(False)
        asked = 0
        text = b'{"execute": "query-qmp-schema"}'.ljust(4096)
        idle = 0
        while idle < 50:
            try:
                asked += slow.sock.send(text)
                idle = 0
            except BlockingIOError:
                idle += 1
                other.command("query-status")
        dots = size_of(console)
        for _ in range(200):
            other.command("query-status")
        until(lambda: size_of(console) > dots, "the guest stands still")
        # It is served as it reads: nothing is lost.
        slow.sock.setblocking(True)
        slow.sock.settimeout(30)
        slow.sock.shutdown(socket.SHUT_WR)
        answers = slow.at_end()
        whole = (asked + len(text) - 31) // len(text)
        assert sum("return" in a for a in answers) == whole, (len(answers), whole)
        quit_cleanly(m)
    return f"{whole} requests of one that did not read"


def test_deaf_listener(host):
    """One that never reads its events is dropped, with a reason in the log."""
    with host.vireo() as m:
        deaf, other, third = m.client(), m.client(), m.client()
        for n in range(200000):
            other.command("stop")
            other.command("cont")
            other.events.clear()
            if not n % 100:
                third.command("query-status")
                third.events.clear()
            if "does not read" in m.stderr():
                break
        assert "does not read" in m.stderr(), "it is still there"
        seen = deaf.at_end()
        assert {e["event"] for e in seen} == {"STOP", "RESUME"}, seen[:3]
        names = [e["event"] for e in seen]
        assert names == ["STOP", "RESUME"] * (len(names) // 2) + \
            ["STOP"] * (len(names) % 2)
        assert third.command("query-status")["running"]
        quit_cleanly(m)
    return f"dropped after {len(names)} events had gone out"


def until(condition, complaint):
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end, complaint
        time.sleep(0.01)


# ---- many, and in turn -----------------------------------------------------------

def test_many(host):
    with host.vireo() as m:
        clients = [m.client() for _ in range(CLIENTS_MAX)]
        for c in clients:
            assert c.command("query-name") == {"name": "test"}
        words = m.connect().at_end()
        assert words == [{"error": {"class": "GenericError",
                                    "desc": "too many clients"}}], words
        clients.pop().close()
        # Its end may be heard of after the next one's beginning.
        end = time.monotonic() + 30
        while True:
            first = m.connect().read()
            if "QMP" in first:
                break
            assert time.monotonic() < end, first
        # All are told, also who asked.
        clients[0].command("stop")
        for c in clients:
            assert c.event("STOP")
        for c in clients:
            c.close()
        quit_cleanly(m)


def test_before_negotiation(host):
    """No events; no command but one."""
    with host.vireo() as m:
        early, other = m.connect(), m.client()
        early.read()
        other.command("stop")
        answer = early.ask("stop")
        assert answer["error"]["class"] == "CommandNotFound", answer
        assert not early.events
        early.ask("qmp_capabilities")
        other.command("cont")
        assert early.event("RESUME")
        quit_cleanly(m)


def test_oob(host):
    """exec-oob overtakes what waits, if it was asked for."""
    with host.vireo() as m:
        client = m.client(enable=["oob"])
        order = []
        text = b"".join(b'{"execute": "query-name", "id": %d}' % i
                        for i in range(6))
        client.send_raw(text + b'{"exec-oob": "query-status", "id": "oob"}')
        for _ in range(7):
            order.append(client.answer()["id"])
        assert order.index("oob") < 6, order
        assert [i for i in order if i != "oob"] == list(range(6)), order
        client = m.client()
        answer = client.ask("query-status", oob=True)
        assert answer["error"]["desc"] == \
            "QMP input member 'exec-oob' is unexpected", answer
        quit_cleanly(m)


def test_order(host):
    """1000 requests in one go are answered in their order."""
    with host.vireo() as m:
        client = m.client()
        client.send_raw(b"".join(b'{"execute":"query-name","id":%d}' % i
                                 for i in range(1000)))
        assert [client.answer()["id"] for _ in range(1000)] == list(range(1000))
        quit_cleanly(m)


def test_fds(host):
    """Descriptors end with their owner, and 16 that nobody names are enough."""
    def count(m):
        return len(os.listdir(f"/proc/{m.process.pid}/fd"))

    with host.vireo() as m:
        other = m.client()
        before = count(m)
        client = m.client()
        null = os.open("/dev/null", os.O_RDONLY)
        for i in range(70):
            client.ask("getfd", {"fdname": f"n{i}"}, fds=[null])
        for _ in range(40):
            client.ask("query-name", fds=[null] * 3)
        client.command("query-name")
        assert count(m) <= before + 2 + 64 + 16, (before, count(m))
        client.close()
        until(lambda: other.command("query-name") and count(m) == before,
              "descriptors stay")
        for _ in range(100):
            other.ask("add-fd", {"fdset-id": 3}, fds=[null])
        sets = other.command("query-fdsets")
        assert len(sets) == 1 and len(sets[0]["fds"]) == 64, sets
        other.command("remove-fd", fdset_id=3)
        assert count(m) == before, (before, count(m))
        os.close(null)
        quit_cleanly(m)


TESTS = [
    ("requests in order", test_order),
    ("out of band", test_oob),
    ("before the negotiation", test_before_negotiation),
    ("many clients", test_many),
    ("file descriptors and their limits", test_fds),
    ("recovery from errors", test_recovery),
    ("messages that are too long", test_huge),
    ("messages that are too deep", test_deep),
    ("a reader that is slow", test_slow_reader),
    ("a listener that is deaf", test_deaf_listener),
    ("10,000 malformed messages", test_malformed),
]
