# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2154 # what the suite has set
# Disks that the module serves, with any exit path: sourced by tests/vm/run for its
# part disks.  Where there is none, the same tests say that who serves them then
# loses nothing, either.

# in_kernel: what the program says of its disk is what is to be expected
in_kernel() {
	if loaded; then
		want err '^vireo: disk0: vireo.ko serves it'
	else
		want err '^vireo: disk0: not aio=kernel: '
	fi
}

# A file system on a loop device, which completes in its own time, for images that
# are open with O_DIRECT: those of $tmp cannot be.  direct_dir MEGABYTES
direct_dir() {
	[ ! -e "$tmp/direct/lost+found" ] || return 0
	modprobe loop 2>/dev/null
	modprobe ext4 2>/dev/null
	truncate -s "$1" "$tmp/direct.img" && mkdir -p "$tmp/direct" &&
		/sbin/mke2fs -q -t ext4 "$tmp/direct.img" &&
		mount -o loop "$tmp/direct.img" "$tmp/direct" ||
		{ why="no ext4 on a loop device"; return 4; }
}

direct_done() {
	umount "$tmp/direct"
	rm -f "$tmp/direct.img"
}

# kernel_verified DISK [ARG...]
kernel_verified() {
	local disk=$1
	shift
	ram_disk || return
	start_disk verify "/dev/ram0,aio=kernel$disk" "/diskio /dev/vda verify 10" \
		--log info "$@"
	from verify
	ended verify 0 || return
	want out 'diskio: all is well' && want out 'vireo-guest: exit 0' &&
		in_kernel || return
	rm -rf "$tmp/verify"
}

# kernel_not WHY APPEND FIRST [ARG...]: drivers that the module does not serve are
# served as ever
kernel_not() {
	local reason=$1 disk_append=$2 first=$3
	shift 3
	ram_disk || return
	start_disk other "/dev/ram0,aio=kernel" \
		"$first until [ -b /dev/vda ]; do sleep 0.1; done
		/diskio /dev/vda verify 3" --log info "$@"
	from other
	ended other 0 || return
	want out 'diskio: all is well' || return
	! loaded || want err "^vireo: disk0: not aio=kernel: $reason" || return
	rm -rf "$tmp/other"
}

# In a file: mkfs, untar, fsck
kernel_untarred() {
	local image=$tmp/direct/untar.raw
	direct_dir 160M || return
	truncate -s 64M "$image"
	disk_untar untar "$image,aio=kernel" --log info "$@"
	from untar
	ended untar 0 || return
	want out '^files are well' && want out 'vireo-guest: exit 0' &&
		in_kernel || return
	/sbin/e2fsck -fn "$image" >"$t/e2fsck" 2>&1 ||
		fail "its file system is not clean" || return
	rm -rf "$tmp/untar" "$image"
}

kernel_survives_kill() {
	local i n image=$tmp/direct/durable.raw
	direct_dir 160M || return
	for i in 20 300; do
		truncate -s 32M "$image"
		start_disk durable "$image,aio=kernel" "/diskio /dev/vda durable" \
			--log info
		from durable
		reaches durable out "^durable ($i|[0-9]*[0-9]{3,})" || return
		kill -9 "${pids[durable]}"
		ended durable 137 && in_kernel || return
		n=$(tr -d '\r' <"$tmp/durable/out" |
			sed -n 's/^durable \([0-9]*\)$/\1/p' | tail -n 1)
		# The disk's own file is closed when its last request is done.
		wait_for 20 "$program" img info "$image" >"$t/info"
		$diskio "$image" check "$n" >"$t/check" 2>&1 ||
			fail "$(cat "$t/check")" || return
		rm -rf "$tmp/durable" "$image"
	done
}

# Stopped and continued while requests are under way, many times: a ring goes from
# the module to the program and back wherever it is.
# kernel_paused [ARG...]
kernel_paused() {
	local i=0
	direct_dir 160M || return
	truncate -s 32M "$tmp/direct/paused.raw"
	start_disk paused "$tmp/direct/paused.raw,aio=kernel,queues=2" \
		"echo it begins; /diskio /dev/vda verify 20" --cpus 2 --log info "$@"
	from paused
	reaches paused out '^it begins' || return
	while ask paused stop && ask paused cont; do
		i=$((i + 1))
	done
	[ $i -ge 2 ] || fail "it was stopped only $i times" || return
	ended paused 0 || return
	want out 'diskio: all is well' && in_kernel || return
	rm -rf "$tmp/paused" "$tmp/direct/paused.raw"
}

# The host's file system is full; there is room after a while.
kernel_full_stops() {
	local image=$tmp/direct/full.raw
	direct_dir 160M || return
	truncate -s 64M "$image"
	dd if=/dev/zero of="$tmp/direct/other" bs=1M 2>/dev/null
	truncate -s -12M "$tmp/direct/other"
	start_disk wait "$image,aio=kernel,on-error=stop" \
		"/diskio /dev/vda fill; /diskio /dev/vda verify 1" --log info
	from wait
	wait_for $boot_limit is_stopped_by_error
	status=$?
	rm "$tmp/direct/other"
	[ $status = 0 ] && ask wait cont && ended wait 0 || return
	want out 'diskio: filled 16384 of 16384: all' &&
		want out 'vireo-guest: exit 0' && in_kernel || return
	rm -rf "$tmp/wait" "$image"
}

kernel_full_reported() {
	local image=$tmp/direct/full.raw
	direct_dir 160M || return
	truncate -s 64M "$image"
	dd if=/dev/zero of="$tmp/direct/other" bs=1M 2>/dev/null
	truncate -s -12M "$tmp/direct/other"
	start_disk full "$image,aio=kernel" "/diskio /dev/vda fill" --log info
	from full
	ended full 0
	status=$?
	rm "$tmp/direct/other"
	[ $status = 0 ] || return 1
	want out 'diskio: filled [1-9][0-9]{3} of 16384: (Input/output error|No space left)' &&
		want err 'disk0: writing at byte [0-9]+ failed: No space left' &&
		in_kernel || return
	rm -rf "$tmp/full" "$image"
}

kernel_resized() {
	direct_dir 160M || return
	truncate -s 16M "$tmp/direct/grow.raw"
	disk_grow grow "$tmp/direct/grow.raw,aio=kernel" --log info
	from grow
	reaches grow out '^is mounted' || return
	ask grow block_resize '{"device": "disk0", "size": 67108864}' ||
		fail "block_resize fails" || return
	ended grow 0 || return
	want out '^has room' && want out 'vireo-guest: exit 0' && in_kernel || return
	/sbin/e2fsck -fn "$tmp/direct/grow.raw" >"$t/e2fsck" 2>&1 ||
		fail "its file system is not clean" || return
	rm -rf "$tmp/grow" "$tmp/direct/grow.raw"
}

# Its driver is unbound and bound, and the machine reset, while it is in use.
kernel_reset() {
	ram_disk || return
	start_disk reset "/dev/ram0,aio=kernel" "$(tr '\n' ';' <<-'END'
		bdf=$(ls /sys/bus/virtio/drivers/virtio_blk | grep virtio)
		cd /sys/bus/virtio/drivers/virtio_blk
		again() { /diskio /dev/vda verify 1 || exit 1
		/diskio /dev/vda fill >/dev/null 2>&1 & sleep 0.2
		echo $bdf >unbind
		wait
		echo $bdf >bind
		until [ -b /dev/vda ]; do sleep 0.1; done
		}
		again; again; again; again
		echo again and again
		/diskio /dev/vda verify 100
	END
	)" --log info
	from reset
	reaches reset out '^again and again' || return
	ask reset system_reset || fail "no answer" || return
	wait_for $boot_limit again_twice || fail "it does not come again" || return
	ask reset quit
	ended reset 4 && in_kernel || return
	rm -rf "$tmp/reset"
}

again_twice() {
	[ "$(tr -d '\r' <"$tmp/reset/out" | grep -c '^again and again')" = 2 ]
}

# What it has done is told, also once another serves it.
kernel_counted() {
	local before
	direct_dir 160M || return
	truncate -s 32M "$tmp/direct/count.raw"
	start_disk count "$tmp/direct/count.raw,aio=kernel" "$(tr '\n' ';' <<-'END'
		dd if=/dev/zero of=/dev/vda bs=64k count=100 oflag=direct
		dd if=/dev/vda of=/dev/null bs=64k count=50 iflag=direct
		echo it is done; sleep 1000
	END
	)" --log info
	from count
	reaches count out '^it is done' || return
	ask count query-blockstats
	want answers '"wr_operations": 100[,}]' && want answers '"wr_bytes": 6553600[,}]' &&
		want answers '"wr_highest_offset": 6553600[,}]' || return
	before=$(rd_operations)
	[ "$before" -ge 50 ] || fail "$before reads" || return
	: >"$t/answers"
	ask count stop && ask count query-blockstats
	want answers '"wr_operations": 100[,}]' || return
	[ "$(rd_operations)" = "$before" ] ||
		fail "$before reads, then $(rd_operations)" || return
	ask count cont && ask count quit
	ended count 4 && in_kernel || return
	rm -rf "$tmp/count" "$tmp/direct/count.raw"
}

rd_operations() {
	sed -n 's/.*"rd_operations": \([0-9]*\).*/\1/p' "$t/answers" | tail -n 1
}

kernel_disk_tests() {
	run_test "disk in the kernel" kernel_verified ""
	run_test "disk in the kernel: four queues" \
		kernel_verified ,queues=4 --cpus 4
	run_test "disk in the kernel: the main thread" kernel_verified ,iothreads=0
	run_test "disk in the kernel: limits" kernel_verified ,iops=300,bps=8M
	run_test "disk in the kernel: a driver without messages" \
		kernel_not 'the driver uses no MSI-X' pci=nomsi ''
	run_test "disk in the kernel: a legacy driver" \
		kernel_not 'the driver uses the legacy interface' "" \
		"$legacy_driver;" --virtio transitional=on
	run_test "disk in the kernel: on no bus" \
		kernel_not 'it is not on PCI' "" "" --virtio transport=mmio
	run_test "disk in the kernel: mkfs, untar, fsck" kernel_untarred
	run_test "disk in the kernel: mkfs, untar, fsck; --virtio packed=on" \
		kernel_untarred --virtio packed=on
	run_test "disk in the kernel: SIGKILL in the middle of writing" \
		kernel_survives_kill
	run_test "disk in the kernel: paused under load" kernel_paused
	run_test "disk in the kernel: paused under load; --virtio packed=on" \
		kernel_paused --virtio packed=on
	run_test "disk in the kernel: drivers come and go, a reset" kernel_reset
	run_test "disk in the kernel: the host's is full" kernel_full_reported
	run_test "disk in the kernel: the host's is full, on-error=stop" \
		kernel_full_stops
	run_test "disk in the kernel: resized under a mounted file system" \
		kernel_resized
	run_test "disk in the kernel: statistics" kernel_counted
	[ ! -e "$tmp/direct/lost+found" ] || direct_done
}
