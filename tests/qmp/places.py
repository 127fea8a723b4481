# SPDX-License-Identifier: GPL-2.0-or-later
"""Where QMP is served, and how a machine's life ends for its clients."""

import os
import signal
import socket
import subprocess

from client import Client
from hostile import quit_cleanly, size_of, until


def test_qmp_unix(host):
    path = os.path.join(host.directory, "own.sock")
    with host.vireo("--control", "off", "--qmp", f"unix:{path}") as m:
        m.path = path
        assert m.client().command("query-name") == {"name": "test"}
        assert not os.path.exists(os.path.join(host.directory, "vireo",
                                               "test.qmp"))
        assert os.stat(path).st_mode & 0o77 == 0
        quit_cleanly(m)
    assert not os.path.exists(path)


def test_qmp_connect(host):
    """server=off: it comes to us."""
    path = os.path.join(host.directory, "ours.sock")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        listener.settimeout(30)
        with host.vireo("--qmp", f"unix:{path},server=off") as m:
            client = Client(listener.accept()[0]).negotiated()
            assert client.command("query-name") == {"name": "test"}
            quit_cleanly(m)
    os.unlink(path)


def test_qmp_fd(host):
    """A connected one and a listening one."""
    ours, its = socket.socketpair()
    listener = socket.socket(socket.AF_UNIX)
    path = os.path.join(host.directory, "fd.sock")
    listener.bind(path)
    listener.listen()
    with host.vireo("--qmp", f"fd:{its.fileno()}", "--qmp",
                    f"fd:{listener.fileno()}",
                    pass_fds=[its.fileno(), listener.fileno()]) as m:
        its.close()
        listener.close()
        client = Client(ours).negotiated()
        assert client.command("query-name") == {"name": "test"}
        second = Client.at(path).negotiated()
        client.command("stop")
        assert second.event("STOP")
        quit_cleanly(m)
        assert [e["event"] for e in client.at_end()] == ["SHUTDOWN"]
    os.unlink(path)


def test_qmp_stdio(host):
    ours, its = socket.socketpair()
    with host.vireo("--qmp", "stdio", stdin=its, stdout=its) as m:
        its.close()
        client = Client(ours).negotiated()
        assert client.command("query-name") == {"name": "test"}
        client.command("quit")
        assert [e["event"] for e in client.at_end()] == ["SHUTDOWN"]
        assert m.wait() == 4


def test_qmp_stdio_files(host):
    """A script in a file, the answers in another; the machine runs on."""
    script = os.path.join(host.directory, "script")
    answers = os.path.join(host.directory, "answers")
    with open(script, "w", encoding="ascii") as f:
        f.write('{"execute": "qmp_capabilities"}\n{"execute": "query-name"}\n'
                '{"execute": "quit"}\n')
    with open(script, "rb") as i, open(answers, "wb") as o:
        with host.vireo("--qmp", "stdio", stdin=i, stdout=o) as m:
            assert m.wait() == 4, m.stderr()
    with open(answers, encoding="utf-8") as f:
        lines = f.read().splitlines()
    assert len(lines) == 4 and '"test"' in lines[2], lines


def refuses(host, status, *args, text):
    with host.vireo(*args, qmp="other") as m:
        assert m.wait() == status, (status, m.stderr())
        assert text in m.stderr(), m.stderr()
        assert m.stderr().count("\n") == 1, m.stderr()


def test_refusals(host):
    refuses(host, 2, "--qmp", "stdio", text="--console none")
    refuses(host, 2, "--qmp", "stdio", "--qmp", "stdio", "--console", "none",
            text="given twice")
    refuses(host, 2, "--qmp", "tcp:x", text="unix:PATH, fd:N or stdio")
    refuses(host, 1, "--qmp", "fd:77", text="fd:77: Bad file descriptor")
    refuses(host, 1, "--qmp", "fd:x", text="fd:x")
    refuses(host, 1, "--qmp", f"unix:{host.directory}/no/x", text="No such file")
    refuses(host, 1, "--qmp", f"unix:{host.directory}/none,server=off",
            text="No such file")
    refuses(host, 1, "--qmp", f"unix:{host.disk}", text="not a socket")
    refuses(host, 1, "--qmp", "unix:" + "x" * 200, text="107 bytes")


def test_names(host):
    """A name is one machine's; who has none gets a free one."""
    with host.vireo(name="one") as m:
        m.client()
        with host.vireo(name="one") as second:
            assert second.wait() == 1
            assert "a machine named one runs already" in second.stderr()
        quit_cleanly(m)
    program = [*host.run, "--kernel", host.payload("spin"), "--memory", "16M",
               "--console", "none"]
    env = dict(os.environ, XDG_RUNTIME_DIR=host.directory)
    started = [subprocess.Popen(program, env=env, stdin=subprocess.DEVNULL)
               for _ in range(3)]
    machines = []
    try:
        found = set()
        for p in started:
            name, machine = wait_for_name(host, p.pid)
            found.add(name)
            machines.append(machine)
        assert found == {"vm", "vm-2", "vm-3"}, found
    finally:
        for p in started:
            p.kill()
            p.wait()
    # One that had a keeper dies just after it.
    until(lambda: not any(os.path.exists(f"/proc/{m}") for m in machines),
          "they live on")
    # What they left is stale, and in nobody's way.
    with host.vireo(name="vm-2") as m:
        assert m.client().command("query-name") == {"name": "vm-2"}
        quit_cleanly(m)


def keepers(pid):
    """The process, and its parent, which is its keeper in a strict sandbox."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as f:
        return pid, int(f.read().rsplit(")", 1)[1].split()[1])


def wait_for_name(host, pid):
    names = []

    def look():
        directory = os.path.join(host.directory, "vireo")
        for file in os.listdir(directory):
            try:
                client = Client.at(os.path.join(directory, file)).negotiated()
            except OSError:
                continue
            machine = client.command("x-vireo-query-vm")["pid"]
            if pid in keepers(machine):
                name = client.command("query-name")["name"]
                names.append((name, machine))
                return True
        return False

    until(look, "it is not to be found")
    return names[0]


def test_no_directory(host):
    """Without a runtime directory: a warning, or an error if it must be."""
    blocked = os.path.join(host.directory, "blocked")
    with open(blocked, "w", encoding="ascii"):
        pass
    program = [*host.run, "--kernel", host.payload("hello"), "--memory", "16M"]
    env = dict(os.environ, XDG_RUNTIME_DIR=blocked)
    for mode, status, text in (("auto", 0, "no control socket"),
                               ("on", 1, "cannot make directory"),
                               ("off", 0, "")):
        done = subprocess.run([*program, "--control", mode], env=env,
                              capture_output=True, text=True, timeout=30,
                              stdin=subprocess.DEVNULL, check=False)
        assert done.returncode == status, done
        assert text in done.stderr and bool(text) == bool(done.stderr), done


def ends_with(host, events, status, payload="spin", send=None):
    with host.vireo("--paused", payload=payload) as m:
        client = m.client()
        client.command("cont")
        client.events.clear()
        if send:
            client.command("query-name")
            send(m.process)
        seen = client.at_end()
        assert m.wait() == status, m.stderr()
        for e in seen:
            e.pop("timestamp")
        assert seen == events, seen


def event(name, **data):
    return {"event": name, "data": data} if data else {"event": name}


def test_power_off(host):
    ends_with(host, [event("SHUTDOWN", guest=True, reason="guest-shutdown")], 0,
              payload="hello")


def test_crash(host):
    ends_with(host, [event("GUEST_PANICKED", action="poweroff"),
                     event("SHUTDOWN", guest=True, reason="guest-panic")], 3,
              payload="triple")


def test_crash_pause(host):
    """--on-crash pause: there to be looked at, until a reset."""
    with host.vireo("--paused", "--on-crash", "pause", "--cpus", "2",
                    payload="triple") as m:
        client = m.client()
        client.command("cont")
        assert client.event("GUEST_PANICKED")["data"] == {"action": "pause"}
        client.event("STOP")
        assert client.command("query-status") == {
            "running": False, "singlestep": False, "status": "guest-panicked"}
        assert client.ask("cont")["error"]["desc"] == \
            "Resetting the Virtual Machine is required"
        text = client.command("human-monitor-command",
                              command_line="info registers -a")
        assert "CPU#0" in text and "CPU#1" in text and "CR0=" in text, text
        client.command("system_reset")
        client.event("RESET")
        assert client.command("query-status")["status"] == "prelaunch"
        client.command("cont")
        client.event("GUEST_PANICKED")
        quit_cleanly(m)


def test_registers(host):
    """Of vCPUs that run, and then run on."""
    console = os.path.join(host.directory, "dots")
    with host.vireo("--console", f"file:{console}", "--cpus", "2") as m:
        client = m.client()
        seen = set()
        before = size_of(console)
        until(lambda: size_of(console) > before, "it does not run")
        for _ in range(300):
            seen.add(client.command("human-monitor-command",
                                    command_line="info registers"))
        assert len(seen) > 1, seen
        assert all(t.startswith("\r\nCPU#0\r\nEAX=") for t in seen), seen
        text = client.command("human-monitor-command", cpu_index=1,
                              command_line="info registers")
        assert text.startswith("\r\nCPU#1\r\n"), text
        before = size_of(console)
        until(lambda: size_of(console) > before, "it stands still")
        assert not client.events, client.events
        quit_cleanly(m)


def test_guest_reset(host):
    ends_with(host, [event("RESET", guest=True, reason="guest-reset"),
                     event("SHUTDOWN", guest=True, reason="guest-shutdown")], 0,
              payload="reset")


def test_signal(host):
    def term_twice(process):
        process.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGINT)

    with host.vireo() as m:
        client = m.client()
        m.process.send_signal(signal.SIGTERM)
        client.event("POWERDOWN")
        m.process.send_signal(signal.SIGTERM)
        seen = client.at_end()
        assert [e["event"] for e in seen] == ["SHUTDOWN"], seen
        assert seen[0]["data"] == {"guest": False, "reason": "host-signal"}
        assert m.wait() == 128 + signal.SIGTERM
    ends_with(host, [event("SHUTDOWN", guest=False, reason="host-signal")],
              128 + signal.SIGHUP,
              send=lambda p: p.send_signal(signal.SIGHUP))


def test_paused(host):
    """Not a byte before cont; none while it stands."""
    console = os.path.join(host.directory, "dots")
    with host.vireo("--paused", "--console", f"file:{console}", "--cpus",
                    "3") as m:
        client = m.client()
        assert client.command("query-status") == {
            "running": False, "singlestep": False, "status": "prelaunch"}
        exits = client.command("query-stats", target="vcpu",
                               providers=[{"provider": "x-vireo",
                                           "names": ["user"]}])
        assert all(e["stats"][0]["value"] == 0 for e in exits), exits
        assert size_of(console) == 0
        for _ in range(3):
            client.command("cont")
            before = size_of(console)
            until(lambda: size_of(console) > before + 5, "it does not run")
            client.command("stop")
            exits = [s["value"] for s in client.command(
                "query-stats", target="vcpu")[0]["stats"]
                if s["name"] == "exits"]
            assert exits == [s["value"] for s in client.command(
                "query-stats", target="vcpu")[0]["stats"]
                if s["name"] == "exits"], "it runs on"
        quit_cleanly(m)


TESTS = [
    ("--qmp unix", test_qmp_unix),
    ("--qmp unix, server=off", test_qmp_connect),
    ("--qmp fd", test_qmp_fd),
    ("--qmp stdio", test_qmp_stdio),
    ("--qmp stdio with files", test_qmp_stdio_files),
    ("--qmp that cannot be", test_refusals),
    ("names", test_names),
    ("no runtime directory", test_no_directory),
    ("--paused, stop and cont", test_paused),
    ("the guest powers off", test_power_off),
    ("the guest resets", test_guest_reset),
    ("the guest crashes", test_crash),
    ("the guest crashes and is paused", test_crash_pause),
    ("registers", test_registers),
    ("signals", test_signal),
]
