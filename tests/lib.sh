# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# What the suites in bash share; sourced with the top directory as the current
# one.
#
# A test is a function.  It returns 0 (passed), 1 (failed) or 4 (skipped), the
# latter two with the reason in $why, and keeps all it knows as files in $t, a
# directory of its own: of a test that fails their ends are shown.  All that
# may hang has a limit: vireo() and wait_for().

program=${VIREO:-build/vireo} # the program under test
tmp=$(mktemp -d) || exit 1    # $t is in here
chmod 755 "$tmp"
passed=0 failed=0 skipped=0
started=() # processes to end with the suite

cleanup() {
	local pid
	for pid in "${started[@]}"; do
		kill -KILL "$pid" 2>/dev/null
	done
	rm -rf "$tmp"
}
trap cleanup EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

# ---- counting -------------------------------------------------------------

# run_test NAME FUNCTION [ARG...]
run_test() {
	local name=$1 file
	shift
	[[ $name =~ ${ONLY-} ]] || return 0
	t=$tmp/test why=
	rm -rf "$t"
	mkdir "$t"
	"$@"
	case $? in
	0) passed=$((passed + 1)) && echo "ok - $name" ;;
	4) skip "$name" "$why" ;;
	*)
		failed=$((failed + 1))
		echo "not ok - $name: ${why:-no reason given}"
		for file in "$t"/*; do
			[ -f "$file" ] && [ -s "$file" ] || continue
			echo "    ${file##*/}: $(stat -Lc %s "$file") bytes"
			grep -qI . "$file" || continue
			tail -n 40 "$file" | tr -d '\r' | cut -c 1-300 |
				sed 's/^/    | /'
		done
		;;
	esac
}

skip() {
	skipped=$((skipped + 1))
	echo "skip - $1: $2"
}

# The last line and the suite's status.
finish() {
	echo "$passed passed, $failed failed, $skipped skipped"
	[ $failed = 0 ]
	exit
}

# fail REASON...: to be returned, as in: cmp a b || fail "a is not b" || return
fail() {
	why=$*
	return 1
}

# ---- waiting --------------------------------------------------------------

# wait_for SECONDS COMMAND...: until it succeeds
wait_for() {
	local end=$((SECONDS + $1))
	shift
	until "$@" 2>/dev/null; do
		[ $SECONDS -lt $end ] || return 1
		sleep 0.05
	done
}

gone() {
	! kill -0 "$1" 2>/dev/null
}

# dead PID: it has no files open any more, whether or not somebody reaps it
dead() {
	! grep -q '^State:[[:space:]]*[^ZX]' "/proc/$1/status" 2>/dev/null
}

# ends PID SECONDS: waits for a child, its status in $status; 1 if it is late
ends() {
	if ! wait_for "$2" gone "$1"; then
		kill -KILL "$1"
		wait "$1"
		fail "it still ran after $2 s"
		return
	fi
	wait "$1"
	status=$?
} 2>/dev/null # where bash would tell of each signal

# ---- running vireo --------------------------------------------------------

# vireo ARG...: output in $t/out and $t/err, status in $status
vireo() {
	timeout -k 5 "${limit:-30}" "$program" "$@" >"$t/out" 2>"$t/err"
	status=$?
}

# watched BACKEND MODULE: logs and snapshots of the memory of a running guest
watched() {
	local payloads=build/tests/payload
	[ -x $payloads/watch ] || { why="no $payloads/watch (make payload)"; return 4; }
	timeout -k 5 120 $payloads/watch $payloads/writer.elf "$1" "$2" \
		>"$t/out" 2>"$t/err"
	status=$?
	[ $status != 4 ] || { why=$(tail -n 1 "$t/out"); return 4; }
	want_status 0
}

# The lab's processor has SVM; on one that has VMX, this is not tried.
resets_nested() {
	local elf=build/tests/payload/nested.elf
	[ -r $elf ] || { why="no $elf (make payload)"; return 4; }
	vireo run --kernel $elf --memory 16M </dev/null
	want_status 0 || return
	! has out '^no SVM$' || { why="guests have no SVM here"; return 4; }
	same out $'first boot\nsecond boot'
}

want_status() {
	[ "$status" = "$1" ] || fail "its status is $status, not $1"
}

# has FILE REGEX: a line of $t/FILE matches
has() {
	[ -r "$t/$1" ] && tr -d '\r\0' <"$t/$1" | grep -qE -e "$2"
}

want() {
	has "$1" "$2" || fail "no line matches '$2' in $1"
}

want_not() {
	! has "$1" "$2" || fail "a line matches '$2' in $1"
}

# same FILE TEXT: $t/FILE is TEXT, but for carriage returns
same() {
	[ "$(tr -d '\r' <"$t/$1")" = "$2" ] || fail "$1 is not what was expected"
}

# refuses STATUS REGEX ARG...: `vireo ARG...` fails so, with one line that
# matches, and without a word on standard output.
refuses() {
	local want=$1 regex=$2
	shift 2
	vireo "$@" </dev/null
	want_status "$want" && one_line "$regex"
}

one_line() {
	[ "$(wc -l <"$t/err")" = 1 ] || fail "not exactly one line of error" ||
		return
	want err "^vireo: .*$1" || return
	[ ! -s "$t/out" ] || fail "something on standard output"
}

# ---- the kernel's own log -------------------------------------------------

# kernel_log FILE: what the kernel says from now on goes there.  It is read as
# it comes, for a long report takes older lines from the kernel's buffer.
kernel_log() {
	dmesg --follow-new >"$1" 2>/dev/null &
	started+=($!)
	disown
	wait_for 10 kernel_logged "$1"
}

# kernel_trouble FILE: the complaints in it, up to now; false if there is none.
# A general protection fault that is followed by "ip" is a program's, and a
# trace alone a report of who ran out of memory.
kernel_trouble() {
	wait_for 10 kernel_logged "$1" || echo "WARNING: no log of the kernel's"
	grep -E 'WARNING:|BUG[: ]|KASAN|UBSAN:|KCSAN|Oops|unchecked MSR|general protection fault[:,]|possible (circular|recursive)|blocked for more than|Bad page|refcount_t' "$1"
}

# A line of ours comes out as well.
kernel_logged() {
	local line="vireo test: $RANDOM of $$"
	echo "$line" >/dev/kmsg
	wait_for 2 grep -q "$line" "$1"
}
