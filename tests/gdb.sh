# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2154 # what the suite has set
# What tests with a real gdb share; sourced after tests/lib.sh.

gdb_socket=$tmp/gdb.socket

# What of debugging this host's KVM does, in lines; see tests/payload/debugs.c.
gdb_probe() {
	timeout 60 build/tests/payload/debugs >"$tmp/debugs" 2>/dev/null
}

# can ABILITY: skips the test that asks, if not
can() {
	grep -qx "$1" "$tmp/debugs" && return
	why="this host's KVM does not do it: $1 (build/tests/payload/debugs)"
	return 4
}

# gdb_run NAME [SYMBOLS] <COMMANDS: on $gdb_socket; what it says is in
# $t/gdb-NAME, what it was told beside it
gdb_run() {
	{
		printf 'set %s\n' 'pagination off' 'confirm off' 'width 0' \
			'remotetimeout 60'
		echo "target remote $gdb_socket"
		cat
	} >"$t/commands-$1"
	timeout -k 5 "${gdb_limit:-60}" gdb -nx -batch -x "$t/commands-$1" \
		${2:+"$2"} >"$t/gdb-$1" 2>&1 </dev/null
}

# The kernel's symbols, for gdb, in $tmp/symbols
kernel_symbols() {
	[ ! -e "$tmp/symbols" ] || return 0
	tests/vm/kallsyms build/guest/vmlinux >"$tmp/kallsyms" 2>"$t/kallsyms" &&
		tests/vm/symbols "$tmp/symbols" <"$tmp/kallsyms" 2>"$t/symbols" ||
		fail "the kernel's symbols cannot be had"
}
