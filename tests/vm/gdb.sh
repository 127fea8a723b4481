# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2154,SC2016 # what the suite has set; for gdb
# Part of tests/vm/run: a real gdb on a stock kernel that runs.

# Neither processor ever halts: to step one that has, waits for an interrupt, and
# that may be long in coming while the other is stopped.
start_gdb() {
	local spin='(while :; do :; done) &'
	with_run "$spin $spin"' echo told
		while :; do cat /proc/uptime >/dev/null; done' --cpus 2
	run_args[-1]+=" nokaslr"
	start "$1" "${run_args[@]}" --gdb "unix:$gdb_socket" --log info
}

# With the kernel's symbols, within the limit of a guest
debug() {
	gdb_limit=$boot_limit gdb_run "$1" "$tmp/symbols"
}

gdb_attaches() {
	from "$1"
	kernel_symbols || return
	reaches "$1" out '^told' || return
	debug attach <<-'END'
	info threads
	x/s &linux_banner
	p $cr0 & 1
	p $efer & 0x400
	monitor info registers
	p/x *(unsigned short *)&linux_banner
	set *(unsigned short *)&linux_banner = 0x696c
	x/2cb &linux_banner
	set *(unsigned short *)&linux_banner = 0x694c
	END
	want gdb-attach 'Thread 1 \(vCPU 0' && want gdb-attach 'Thread 2 \(vCPU 1' &&
		want gdb-attach 'linux_banner>:.*"Linux version 6' &&
		want gdb-attach '^\$1 = 1$' && want gdb-attach '^\$2 = .*1024|0x400' &&
		want gdb-attach '^code .*<[0-9a-f]{2}>' &&
		want gdb-attach '^\$3 = 0x694c$' &&
		want gdb-attach "108 'l'.*105 'i'" && want gdb-attach 'detached'
}

# Each step is an instruction of the thread, and of no interrupt.
gdb_steps() {
	can step || return
	from "$1"
	debug steps <<-'END'
	stepi
	stepi
	stepi 20
	set scheduler-locking on
	thread 2
	stepi 5
	p/x $cs & 0
	END
	want gdb-steps '^\$1 = 0x0$' && want_not gdb-steps 'asm_sysvec_apic_timer'
}

# A breakpoint, on whichever processor reads.
gdb_breaks() {
	can "$3" || return
	from "$1"
	debug break <<-END
	$2 __x64_sys_read
	continue
	p \$rip == (long)&__x64_sys_read
	backtrace 2
	stepi
	p \$rip == (long)&__x64_sys_read
	continue
	p \$rip == (long)&__x64_sys_read
	delete
	END
	want gdb-break '^(Thread .* hit )?Breakpoint 1, 0xffffffff[0-9a-f]+ in __x64_sys_read' &&
		want gdb-break '^\$1 = 1$' &&
		want gdb-break '^#1 +0xffffffff[0-9a-f]+ in do_syscall_64' &&
		want gdb-break '^\$2 = 0$' && want gdb-break '^\$3 = 1$'
}

gdb_watches() {
	can write || return
	from "$1"
	debug watch <<-'END'
	set $before = *(unsigned long *)&jiffies_64
	watch *(unsigned long *)&jiffies_64
	continue
	p *(unsigned long *)&jiffies_64 > $before
	delete
	END
	want gdb-watch 'Hardware watchpoint 1' && want gdb-watch '^New value = ' &&
		want gdb-watch '^\$1 = 1$'
}

# The parent of gdb's shell is gdb.
gdb_interrupts() {
	from "$1"
	debug interrupt <<-'END'
	shell (sleep 2; kill -INT $PPID) &
	continue
	p $rip != 0
	thread apply all p/x $cs
	END
	want gdb-interrupt 'received signal SIGINT' &&
		want gdb-interrupt '^\$1 = 1$' && want gdb-interrupt '^\$3 = '
}

gdb_resets() {
	from "$1"
	debug reset <<-'END'
	monitor reset
	maintenance flush register-cache
	info threads
	p $efer & 0x400
	stepi
	END
	want gdb-reset 'vCPU 1 \[not started\]' && want gdb-reset '^\$1 = .*1024' ||
		return
	wait_for $boot_limit gdb_rebooted "$1" || fail "it does not boot again"
}

gdb_rebooted() {
	[ "$(grep -c '^told' "$tmp/$1/out")" = 2 ]
}

# At reset nothing is mapped where the kernel will be.
gdb_breaks_early() {
	can exec || return
	from "$1"
	debug early <<-'END'
	monitor reset
	maintenance flush register-cache
	break start_kernel
	continue
	p $rip == (long)&start_kernel
	END
	want gdb-early '^\$1 = 1$'
}

# The debugger dies with its breakpoints in, the guest runs on, and nothing is
# left of all that was done to it.
gdb_dies() {
	from "$1"
	! debug die <<-'END' || fail "it lives" || return
	shell (sleep 5; kill -KILL $PPID) &
	hbreak panic
	continue
	END
	debug after <<-'END'
	x/1xb &__x64_sys_read
	END
	want_not gdb-after '0xcc$' &&
		want_not out 'Oops|BUG:|WARNING|int3|soft lockup|Call Trace|stall' ||
		return
	kill "${pids[$1]}"
	ended "$1" 0
}

gdb_tests() {
	if ! command -v gdb >/dev/null; then
		skip "gdb" "gdb is not installed; run tools/setup"
		return
	fi
	gdb_probe
	start_gdb gdb
	run_test "gdb: attaches to a stock kernel" gdb_attaches gdb
	run_test "gdb: steps" gdb_steps gdb
	run_test "gdb: software breakpoint, backtrace" gdb_breaks gdb break int3
	run_test "gdb: hardware breakpoint, backtrace" gdb_breaks gdb hbreak exec
	run_test "gdb: watchpoint" gdb_watches gdb
	run_test "gdb: interrupt" gdb_interrupts gdb
	run_test "gdb: reset" gdb_resets gdb
	run_test "gdb: a breakpoint before the kernel begins" gdb_breaks_early gdb
	run_test "gdb: killed, and the guest runs on" gdb_dies gdb
}
