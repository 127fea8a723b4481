# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2154,SC2016 # what the suite has set; gdb's $
# A disk goes on while the main thread of vireo stands still with all locks of
# devices, buses and interrupts; that of the machine is what every vCPU takes when
# it leaves the guest, and is not among them.  Sourced by tests/vm/run for its part disks.

# main_locks lock|unlock: by gdb, in the main thread, which alone runs meanwhile
main_locks() {
	local lock devices
	{
		printf 'set %s\n' 'pagination off' 'confirm off' 'width 0'
		echo 'handle all nostop noprint pass'
		# Who waits for them by now, if the test fails
		[ "$1" = lock ] || echo 'thread apply all backtrace 7'
		echo 'set scheduler-locking on'
		echo 'thread 1'
		echo 'frame function vm_run'
		echo 'set $vm = vm'
		echo 'define hold'
		# The thread would wait for ever for what another one has.
		if [ "$1" = lock ]; then
			echo 'if $arg0.__data.__lock'
			echo '  print "taken"'
			echo 'else'
			echo '  call ((int (*)(void *))pthread_mutex_lock)(&$arg0)'
			echo 'end'
		else
			echo 'call ((int (*)(void *))pthread_mutex_unlock)(&$arg0)'
		fi
		echo 'end'
		for lock in irqs.lock 'pci->lock' pio.change mmio.change \
			mem.lock; do
			echo "hold \$vm->$lock"
		done
		echo 'set $dev = $vm->devices'
		echo 'set $devices = 0'
		echo 'while $dev'
		echo '  hold $dev->lock'
		echo '  set $dev = $dev->next'
		echo '  set $devices = $devices + 1'
		echo 'end'
		echo 'printf "devices: %d\n", $devices'
		echo 'detach'
	} >"$t/$1.gdb"
	timeout -k 5 300 gdb -nx -batch -p "${pids[held]}" -x "$t/$1.gdb" \
		>"$t/$1" 2>&1 </dev/null
	# All five and the devices' have said that it is done.
	devices=$(sed -n 's/^devices: //p' "$t/$1")
	[ "$(grep -cE '^\$[0-9]+ = 0$' "$t/$1")" = $((${devices:--9} + 5)) ] ||
		fail "gdb cannot $1 them"
}

# counts_held LEAST MOST DISK-OPTIONS: requests within two seconds
counts_held() {
	count_held "$@" && return
	local status=$?
	[ -z "${pids[held]-}" ] || kill -KILL "${pids[held]}" 2>/dev/null
	return $status
}

count_held() {
	local n image=$tmp/held.img
	command -v gdb >/dev/null || { why="no gdb"; return 4; }
	gdb -nx -batch -ex 'ptype struct vm' "$program" 2>&1 | grep -q 'devices;' ||
		{ why="$program has no debug information"; return 4; }
	rm -f "$image"
	truncate -s 1M "$image"
	# The guest's watchdog of clocks reads the chipset's timer now and then.
	boot_more='tsc=reliable' \
		start_disk held "$image,$3" "/diskio /dev/vda count"
	from held
	reaches held out '^diskio: counting' || return
	main_locks lock || return
	n=$(timeout 60 tests/vm/hold "${pids[held]}" 2 "$image" 2>"$t/hold") ||
		fail "it cannot be held" || return
	main_locks unlock || return
	echo "# $n requests with the main thread held for 2 s ($3)"
	printf 1 | dd of="$image" bs=1 seek=4096 conv=notrunc 2>"$t/dd"
	ended held 0 && want out 'diskio: counted' || return
	rm -rf "$tmp/held"
	[ "$n" -ge "$1" ] && [ "$n" -le "$2" ] || fail "$n requests within 2 s"
}

held_tests() {
	run_test "disk: goes on while the main thread is held" \
		counts_held 10 1000000 iothreads=1
	run_test "disk: the main thread's own does not" counts_held 0 0 iothreads=0
	run_test "SCSI disk: goes on while the main thread is held" \
		on_scsi counts_held 10 1000000 iothreads=1
}
