# SPDX-License-Identifier: GPL-2.0-or-later
# Snapshots of stock guests, for tests/vm/run.  The guest counts, reads a disk
# past its cache and compares it, so that it notices what it would have lost.

# What the guest does until its count is 12.
snapshot_guest='
mount -t tmpfs none /tmp
dd if=/dev/urandom of=/tmp/a bs=1M count=8 2>/dev/null
cat /tmp/a >/dev/vda; sync
n=0
while [ $n -lt 12 ]; do
	n=$((n + 1))
	head -c 8388608 /dev/vda | cmp - /tmp/a && echo "count $n"
	dd if=/dev/vda of=/dev/null bs=1M count=8 iflag=direct 2>/dev/null || echo bad
	dd if=/tmp/a of=/dev/vda bs=1M count=8 oflag=direct conv=notrunc 2>/dev/null || echo bad
	head -c 64 /dev/hwrng | wc -c | grep -q 64 || echo bad
	sleep 0.3
done
dmesg | grep -iE "warn|error|hung|lockup|timeout" && echo bad
echo o >/proc/sysrq-trigger'

# snapshot_of NAME ARG...: starts a guest, and a snapshot of it as it counts
snapshot_of() {
	local name=$1
	shift
	disk=$tmp/$name.img
	truncate -s 16M "$disk"
	with_run "$snapshot_guest" --disk "path=$disk,cache=writeback" --net user \
		--rng --virtio-console none "$@"
	start "$name" "${run_args[@]}"
	from "$name"
	reaches "$name" out '^count 3'
}

# ended_early NAME: the guest has no more to do with the disk
ended_early() {
	"$program" stop --force "$1" >"$t/stop" 2>&1
	ended "$1" 4
}

# goes_on DIR NAME ARG...: it counts to its end, from where it was
goes_on() {
	local dir=$1 name=$2 first
	shift 2
	mkdir "$tmp/$name"
	mkfifo "$tmp/$name/keys"
	touch "$tmp/$name/out" "$tmp/$name/err"
	exec {fd}<>"$tmp/$name/keys"
	keys[$name]=$fd
	"$program" restore "$dir" "$@" --name "$name" <"$tmp/$name/keys" \
		>"$tmp/$name/out" 2>"$tmp/$name/err" &
	pids[$name]=$!
	started+=($!)
	from "$name"
	ended "$name" 0 || return
	first=$(tr -d '\r' <"$tmp/$name/out" | sed -n 's/^count //p' | head -n 1)
	[ "${first:-0}" -gt 3 ] || fail "it begins with count ${first:-none}" || return
	reaches "$name" out '^count 12' && want_not out bad
}

snapshot_restored() {
	local name=$1 how=$2 lazy=$3
	shift 3
	snapshot_of "$name" "$@" || return
	"$program" snapshot "$name" "$tmp/$name.snap" $how >"$t/snapshot" 2>&1
	status=$?
	want_status 0 || return
	ended_early "$name" || return
	"$program" inspect "$tmp/$name.snap" >"$t/state" || fail "it cannot be read" || return
	want state '^cpu0 ' && want state '^disk0 ' && want state '^net0 ' || return
	goes_on "$tmp/$name.snap" "$name-2" $lazy
}

# Of a machine that goes on, and is kept once more by another way.
snapshot_twice() {
	snapshot_of again --cpus 2 || return
	"$program" snapshot again "$tmp/again.1" >"$t/snapshot" 2>&1 ||
		fail "no first snapshot" || return
	reaches again out '^count 5' || return
	"$program" snapshot again "$tmp/again.2" >"$t/snapshot" 2>&1 ||
		fail "no second snapshot" || return
	ended again 0 || return
	want out '^count 12' && want_not out bad || return
	# The disk was written with the same by then.
	goes_on "$tmp/again.2" again-2 --lazy
}

# Each byte of the state matters: none of these starts.
snapshot_damaged() {
	local i n size dir=$tmp/again.1
	size=$(stat -c %s "$dir/state")
	cp "$dir/state" "$tmp/state"
	for ((i = 0; i < 20; i++)); do
		n=$((size * i / 20 + 7))
		cp "$tmp/state" "$dir/state"
		printf 'x' | dd of="$dir/state" bs=1 seek=$n conv=notrunc 2>/dev/null
		cmp -s "$tmp/state" "$dir/state" && continue
		timeout 60 "$program" restore "$dir" --name damaged </dev/null \
			>"$t/out" 2>"$t/err"
		status=$?
		want_status 1 && want err "cannot go on from" || return
	done
	cp "$tmp/state" "$dir/state"
	timeout 60 "$program" restore "$dir" --name damaged --cpus 1 </dev/null \
		>"$t/out" 2>"$t/err"
	status=$?
	want_status 1 && want err 'cpus: 2 there, 1 here'
}

snapshot_tests() {
	run_test "snapshot, restored" snapshot_restored plain "" "" --module off
	run_test "snapshot, restored; packed rings, two processors" \
		snapshot_restored packed "" "" --virtio packed=on --cpus 2
	if serves; then
		run_test "live snapshot, mapped" snapshot_restored live --live --lazy \
			--cpus 2
	else
		skip "live snapshot, mapped" "$no_service"
	fi
	run_test "live snapshot by userfaultfd" snapshot_restored uffd --live "" \
		--module off --sandbox off
	run_test "two snapshots of a machine that goes on" snapshot_twice
	run_test "a damaged snapshot is refused" snapshot_damaged
}
