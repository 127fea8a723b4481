# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2154 # what the suite has set
# Part of tests/vm/run: a real gdb on a stock kernel, whose symbols its guest
# tells on the console.

gdb_symbols='__x64_sys_read|do_syscall_64|start_kernel|x86_64_start_reservations|x86_64_start_kernel|linux_banner|jiffies_64'

# The symbol behind each is where it ends.
start_gdb() {
	with_run "grep -A 1 -wE '[TtDdRr] ($gdb_symbols)' /proc/kallsyms | grep -v ^--
		echo told; while :; do cat /proc/uptime >/dev/null; done" --cpus 2
	run_args[-1]+=" nokaslr"
	start "$1" "${run_args[@]}" --gdb "unix:$tmp/gdb.socket" --log info
}

# debug NAME < COMMANDS: what gdb says, in $tmp/NAME/gdb-N
debug() {
	local name=$1 n=$2
	{
		printf 'set %s\n' 'pagination off' 'confirm off' 'width 0' \
			'remotetimeout 60'
		echo "target remote $tmp/gdb.socket"
		cat
	} >"$tmp/$name/script-$n"
	timeout -k 5 $boot_limit gdb -nx -batch -x "$tmp/$name/script-$n" \
		"$tmp/symbols" >"$tmp/$name/gdb-$n" 2>&1 </dev/null
	from "$name"
}

gdb_attaches() {
	from "$1"
	reaches "$1" out '^told$' || return
	tr -d '\r' <"$t/out" | grep -E '^ffffffff8' | tests/vm/symbols "$tmp/symbols" ||
		fail "its symbols are none" || return
	debug "$1" attach <<-'END'
	info threads
	x/s &linux_banner
	p $cr0 & 1
	monitor info registers
	detach
	END
	want gdb-attach 'Thread 1 \(vCPU 0' && want gdb-attach 'Thread 2 \(vCPU 1' &&
		want gdb-attach 'linux_banner>:.*"Linux version 6' &&
		want gdb-attach '^\$1 = 1$' && want gdb-attach '^code .*<[0-9a-f]{2}>' &&
		want gdb-attach 'detached'
}

# A breakpoint, on whichever processor reads.
gdb_breaks() {
	debug "$1" break <<-'END'
	break __x64_sys_read
	continue
	p $rip == &__x64_sys_read
	backtrace 2
	stepi
	p $rip - (long)&__x64_sys_read
	continue
	p $rip == &__x64_sys_read
	delete
	detach
	END
	want gdb-break 'hit Breakpoint 1, 0xffffffff[0-9a-f]+ in __x64_sys_read' &&
		want gdb-break '^\$1 = 1$' &&
		want gdb-break '^#1 +0xffffffff[0-9a-f]+ in do_syscall_64' &&
		want gdb-break '^\$2 = [1-9][0-9]?$' && want gdb-break '^\$3 = 1$'
}

gdb_watches() {
	debug "$1" watch <<-'END'
	set $before = *(unsigned long *)&jiffies_64
	watch *(unsigned long *)&jiffies_64
	continue
	p *(unsigned long *)&jiffies_64 > $before
	delete
	detach
	END
	want gdb-watch 'Hardware watchpoint 1' && want gdb-watch '^New value = ' &&
		want gdb-watch '^\$1 = 1$'
}

# shell's parent is gdb
gdb_interrupts() {
	debug "$1" interrupt <<-'END'
	shell (sleep 2; kill -INT $PPID) &
	continue
	p $rip != 0
	thread apply all p/x $cs
	detach
	END
	want gdb-interrupt 'received signal SIGINT' && want gdb-interrupt '^\$1 = 1$' &&
		want gdb-interrupt '^\$3 = '
}

# At reset nothing is mapped at the kernel's addresses.
gdb_resets() {
	debug "$1" reset <<-'END'
	monitor reset
	maintenance flush register-cache
	p $cr0
	break start_kernel
	continue
	p $rip == &start_kernel
	backtrace 2
	detach
	END
	want gdb-reset 'hit Breakpoint 1, 0xffffffff[0-9a-f]+ in start_kernel' &&
		want gdb-reset '^\$2 = 1$' &&
		want gdb-reset '^#1 +0xffffffff[0-9a-f]+ in x86_64_start_reservations' ||
		return
	wait_for $boot_limit gdb_rebooted "$1" || fail "the guest does not boot again"
}

gdb_rebooted() {
	[ "$(grep -c 'vireo-guest: init reached' "$tmp/$1/out")" = 2 ]
}

# The debugger is killed while its breakpoints are in: the guest goes on.
gdb_dies() {
	local pid lines
	printf '%s\n' "target remote $tmp/gdb.socket" "break __x64_sys_read" \
		"commands" "silent" "printf \"there\\n\"" "continue" "end" \
		"continue" >"$tmp/$1/script-die"
	gdb -nx -batch -x "$tmp/$1/script-die" "$tmp/symbols" \
		>"$tmp/$1/gdb-die" 2>&1 </dev/null &
	pid=$!
	started+=($pid)
	from "$1"
	wait_for $boot_limit has gdb-die there || fail "it never breaks" || return
	kill -KILL $pid
	ends $pid 20
	gdb_works "$1"
}

# All that the debugger did has left no trace.
gdb_works() {
	debug "$1" works <<-'END'
	x/1xb &__x64_sys_read
	detach
	END
	want_not gdb-works '0xcc$' || return
	want_not out 'Oops|BUG:|WARNING|int3|soft lockup|Call Trace' || return
	kill "${pids[$1]}"
	ended "$1" 0
}

gdb_tests() {
	if ! command -v gdb >/dev/null; then
		skip "gdb" "gdb is not installed; run tools/setup"
		return
	fi
	start_gdb gdb
	run_test "gdb: attaches to a stock kernel" gdb_attaches gdb
	run_test "gdb: breakpoint, backtrace, step" gdb_breaks gdb
	run_test "gdb: watchpoint" gdb_watches gdb
	run_test "gdb: interrupt" gdb_interrupts gdb
	run_test "gdb: reset, and a breakpoint before paging" gdb_resets gdb
	run_test "gdb: killed, and the guest goes on" gdb_dies gdb
}
