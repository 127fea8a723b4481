# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2154 # what the suite has set
# Part of tests/payload/run: a real gdb, on payloads and on the start of a
# stock kernel, and clients that misbehave.

# symbol NAME: its address in debug.elf
symbol() {
	nm $payloads/debug.elf | sed -n "s/^\([0-9a-f]*\) . $1$/0x\1/p"
}

# debugged ARG...: a guest that waits for the debugger, in the background
debugged() {
	timeout -k 5 120 "$program" run --kernel "${kernel:-$payloads/debug.elf}" \
		--memory "${memory:-16M}" --gdb "unix:$gdb_socket,wait" "$@" \
		>"$t/out" 2>"$t/err" </dev/null &
	guest=$!
	started+=("$guest")
	wait_for 20 test -S "$gdb_socket" || fail "it does not listen"
}

# What ends the payload, as gdb commands
let_go() {
	echo "set *(unsigned *)$(symbol stop) = 1"
	echo "continue"
}

guest_ends() {
	ends "$guest" 60 && want_status "${1:-0}"
}

gdb_looks() {
	debugged --cpus 2 || return
	{
		cat <<-END
		info threads
		p/x \$rip
		p \$cr0 & 1
		x/2xb \$rip
		p/x \$rax = 0x1122334455667788
		p/x \$rax
		set \$xmm3.v2_int64[1] = 77
		p \$xmm3.v2_int64[1]
		thread 2
		p/x \$cs
		monitor help
		monitor info registers
		thread 1
		monitor info registers
		p \$cs = 0x18
		END
	} | gdb_run looks
	# It ends a script at the first error, and lets the guest run.
	{ echo 'x/1xb 0xffffffff00000000'; } | gdb_run nothing
	let_go | gdb_run more
	guest_ends && want out '^stopped$' || return
	want gdb-looks 'Thread 1 \(vCPU 0 \[runs\]\)' &&
		want gdb-looks 'Thread 2 \(vCPU 1 \[not started\]\)' &&
		want gdb-looks "^\\\$1 = $(symbol _start | sed s/0x00/0x/)" &&
		want gdb-looks '^\$2 = 1$' && want gdb-looks ':	0xfa	0xfc$' &&
		want gdb-looks '^\$4 = 0x1122334455667788$' &&
		want gdb-looks '^\$5 = 77$' &&
		want gdb-looks '^\$6 = 0xf000$' && want gdb-looks '^monitor reset' &&
		want gdb-looks '^rip 000000000000fff0 .*\(waits to be started\)' &&
		want gdb-looks '^rax 1122334455667788 ' &&
		want gdb-looks '^code .* <fa> fc' &&
		want gdb-looks 'Could not write register "cs"' &&
		want gdb-nothing 'Cannot access memory at address 0xffffffff00000000' &&
		want gdb-more 'exited normally'
}

gdb_steps() {
	can step || return
	debugged || return
	{
		echo 'stepi'
		echo 'p $rip - '"$(symbol _start)"
		echo 'stepi 3'
		echo 'p $rip - '"$(symbol _start)"
		let_go
	} | gdb_run steps
	guest_ends || return
	# cli; cld; mov $stack, %esp; xor %ebp, %ebp
	want gdb-steps '^\$1 = \(.*\) 0x1$' && want gdb-steps '^\$2 = \(.*\) 0x9$'
}

# gdb_breaks COMMAND ABILITY: twice, and not when it is deleted
gdb_breaks() {
	local tick
	can "$2" || return
	tick=$(symbol tick)
	debugged || return
	{
		cat <<-END
		$1 *$tick
		continue
		p \$rip == $tick
		set \$first = *(unsigned *)$(symbol counter)
		continue
		p *(unsigned *)$(symbol counter) - \$first
		info registers rip
		x/1xb $tick
		delete
		END
		let_go
	} | gdb_run breaks
	guest_ends && want out '^stopped$' || return
	want gdb-breaks 'Breakpoint 1, ' && want gdb-breaks '^\$1 = 1$' &&
		want gdb-breaks '^\$2 = 1$' && want_not gdb-breaks '0xcc$'
}

# gdb_refused COMMAND: the host cannot, and gdb is told
gdb_refused() {
	debugged || return
	printf '%s *(unsigned *)%s\ncontinue\n' "$1" "$(symbol counter)" |
		gdb_run refused
	let_go | gdb_run more
	guest_ends && want err 'does not watch memory: no watchpoints$' &&
		want gdb-refused '^Could not insert hardware watchpoint 1'
}

# gdb_watches COMMAND
gdb_watches() {
	grep -qx write "$tmp/debugs" || { gdb_refused "$1"; return; }
	debugged || return
	{
		cat <<-END
		$1 *(unsigned *)$(symbol counter)
		continue
		continue
		p *(unsigned *)$(symbol counter) >= 1
		delete
		END
		let_go
	} | gdb_run watches
	guest_ends && want gdb-watches 'Hardware .*watchpoint 1' &&
		want gdb-watches '^\$1 = 1$'
}

gdb_interrupts() {
	debugged || return
	{
		cat <<-'END'
		shell (sleep 1; kill -INT $PPID) &
		continue
		p $rip > 0x100000
		END
		let_go
	} | gdb_run interrupts
	guest_ends && want gdb-interrupts 'received signal SIGINT' &&
		want gdb-interrupts '^\$1 = 1$'
}

# Whatever way the debugger goes, the guest runs on.
gdb_leaves() {
	debugged || return
	case $1 in
	quit) echo 'p 1' | gdb_run leaves ;;
	detach) echo 'detach' | gdb_run leaves ;;
	killed)
		# shellcheck disable=SC2016 # for gdb's shell
		! echo 'shell kill -KILL $PPID' | gdb_run leaves ||
			fail "it lives" || return
		;;
	esac
	wait_for 20 has out ready || fail "the guest does not run on" || return
	let_go | gdb_run again
	guest_ends && want out '^stopped$'
}

gdb_kills() {
	debugged || return
	echo kill | gdb_run kills
	guest_ends 4
}

gdb_resets() {
	debugged --on-crash pause || return
	{
		cat <<-'END'
		shell (sleep 1; kill -INT $PPID) &
		continue
		monitor reset
		maintenance flush register-cache
		p/x $rip
		END
		let_go
	} | gdb_run resets
	guest_ends || return
	want gdb-resets "^\\\$1 = $(symbol _start | sed s/0x00/0x/)" || return
	[ "$(grep -c ready "$t/out")" = 2 ] || fail "it did not start again"
}

# A crash as the debugger sees it, and the machine after it.
gdb_crash() {
	kernel=$payloads/triple.elf debugged --on-crash pause || return
	{
		cat <<-END
		continue
		p/x \$rip
		continue
		monitor reset
		maintenance flush register-cache
		p/x \$rip
		kill
		END
	} | gdb_run crash
	guest_ends 4 && want err 'vCPU 0: code .*<' &&
		want err 'the guest crashed: triple fault' || return
	want gdb-crash 'received signal SIGSEGV' &&
		want gdb-crash 'Remote failure reply: E10' &&
		want gdb-crash '^\$2 = 0x100014'
}

# The end of the guest as the debugger sees it
gdb_end() {
	kernel=$payloads/triple.elf debugged || return
	echo continue | gdb_run end
	guest_ends 3 && want gdb-end 'terminated with signal SIGSEGV'
}

# A stock kernel up to where C begins: no more than some ten thousand
# instructions, which any KVM gets through.
gdb_kernel() {
	can exec || return
	[ -r build/guest/vmlinux ] || { why="no build/guest/vmlinux"; return 4; }
	kernel_symbols || return
	kernel=build/guest/vmlinux memory=256M debugged || return
	gdb_limit=110 gdb_run kernel "$tmp/symbols" <<-'END'
	hbreak start_kernel
	continue
	backtrace 2
	stepi
	p/x $cr0
	x/s &linux_banner
	hbreak setup_arch
	continue
	backtrace 2
	kill
	END
	guest_ends 4 || return
	want gdb-kernel '^Breakpoint 1, 0xffffffff[0-9a-f]+ in start_kernel \(\)' &&
		want gdb-kernel '^#1 .* in secondary_startup_64_no_verify \(\)' &&
		want gdb-kernel '^\$1 = 0x80050033$' &&
		want gdb-kernel '"Linux version 6' &&
		want gdb-kernel '^Breakpoint 2, 0xffffffff[0-9a-f]+ in setup_arch \(\)' &&
		want gdb-kernel '^#1 .* in start_kernel \(\)'
}

# A software breakpoint where nothing is mapped yet takes a debug register, as
# do all where this host's KVM would not stop at INT3.
gdb_kernel_early() {
	can exec || return
	[ -r build/guest/vmlinux ] || { why="no build/guest/vmlinux"; return 4; }
	kernel_symbols || return
	kernel=build/guest/vmlinux memory=256M debugged || return
	gdb_limit=110 gdb_run early "$tmp/symbols" <<-'END'
	break x86_64_start_kernel
	continue
	p $rip == (long)&x86_64_start_kernel
	kill
	END
	guest_ends 4 && want gdb-early '^Breakpoint 1, ' &&
		want gdb-early '^\$1 = 1$'
}

# ---- without gdb ------------------------------------------------------------

# Connects to the port that was printed, as fd 6.
connect_gdb() {
	local port
	wait_for 20 has err 'gdb: tcp:127.0.0.1:' || fail "no port was printed" ||
		return
	port=$(sed -n 's/^vireo: gdb: tcp:127.0.0.1:\([0-9]*\)$/\1/p' "$t/err")
	exec 6<>"/dev/tcp/127.0.0.1/$port" || fail "nobody listens"
}

# A guest that prints and waits for q, and listens on a port of its own.
listening() {
	mkfifo "$t/keys"
	exec 5<>"$t/keys"
	timeout -k 5 60 "$program" run --kernel "$msg" --memory 16M \
		--gdb tcp:127.0.0.1:0 "$@" >"$t/out" 2>"$t/err" <"$t/keys" &
	guest=$!
	started+=("$guest")
}

finishes() {
	echo q >&5
	exec 5>&-
	guest_ends && want out '^bye$'
}

# A port scanner: says nothing, or nonsense, and the guest runs.
gdb_silent() {
	listening && connect_gdb || return
	printf 'abc' >&5
	wait_for 20 has out abc || fail "a connection stops the guest" || return
	printf 'GET / HTTP/1.0\r\n\r\n' >&6
	printf 'def' >&5
	wait_for 20 has out abcdef || fail "nonsense stops the guest" || return
	finishes
	exec 6>&-
}

# Who asks without reading the answers, and then leaves.
gdb_deaf() {
	local i
	listening && connect_gdb || return
	wait_for 20 has out ready || return
	for ((i = 0; i < 200; i++)); do
		printf '$m100000,1fff#%02x' 0
		printf '$g#67'
	done >"$t/questions"
	sed -i 's/\$m100000,1fff#00/$m100000,1fff#0f/g' "$t/questions"
	# More than all buffers hold: this stays behind until it is killed.
	(while :; do cat "$t/questions" || exit; done >&6) 2>/dev/null &
	i=$!
	started+=($i)
	sleep 1
	# All that is left to the VMM works; the guest is stopped, as was asked.
	exec 6>&-
	kill $i
	wait $i 2>/dev/null
	printf 'abc' >&5
	wait_for 20 has out abc || fail "the guest does not run on" || return
	finishes
}

gdb_second() {
	listening && connect_gdb || return
	local port
	port=$(sed -n 's/^vireo: gdb: tcp:127.0.0.1:\([0-9]*\)$/\1/p' "$t/err")
	timeout 20 cat <"/dev/tcp/127.0.0.1/$port" >"$t/second" ||
		fail "the second is not turned away" || return
	same second "" || return
	finishes
	exec 6>&-
}

# The name of one that was killed is there, and taken over.
gdb_stale() {
	local hold
	debugged || return
	hold=$(pgrep -P "$guest")
	kill -KILL "$hold"
	ends "$guest" 20
	[ -S "$gdb_socket" ] || fail "no socket is left to try it with" || return
	debugged || return
	let_go | gdb_run stale
	guest_ends || return
	[ ! -e "$gdb_socket" ] || fail "the socket stays"
}

gdb_tests() {
	local way
	gdb_probe
	run_test "gdb: silence and nonsense do not stop the guest" gdb_silent
	run_test "gdb: a client that does not read" gdb_deaf
	run_test "gdb: a second client" gdb_second
	if ! command -v gdb >/dev/null; then
		skip "all that needs gdb" "gdb is not installed; run tools/setup"
		return
	fi
	run_test "gdb: registers, memory, monitor" gdb_looks
	run_test "gdb: steps" gdb_steps
	run_test "gdb: software breakpoint" gdb_breaks break exec
	run_test "gdb: hardware breakpoint" gdb_breaks hbreak exec
	run_test "gdb: write watchpoint" gdb_watches watch
	run_test "gdb: access watchpoint" gdb_watches awatch
	run_test "gdb: read watchpoint" gdb_watches rwatch
	run_test "gdb: interrupt" gdb_interrupts
	for way in quit detach killed; do
		run_test "gdb: $way, and the guest runs on" gdb_leaves $way
	done
	run_test "gdb: kill" gdb_kills
	run_test "gdb: reset" gdb_resets
	run_test "gdb: a crash, --on-crash pause" gdb_crash
	run_test "gdb: the end of a guest" gdb_end
	run_test "gdb: a socket that was left behind" gdb_stale
	run_test "gdb: a stock kernel at start_kernel" gdb_kernel
	run_test "gdb: a breakpoint where nothing is mapped" gdb_kernel_early
}
