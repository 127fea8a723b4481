# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=sh
# Run by the init of the guest of tests/vm/vhost.sh with devices of other
# processes: more to be typed at net_guest.sh.

# The disk: what it is, what is on it, and what is written to it
disk() {
	say disk "$(cat /sys/block/vda/size)" queues "$(ls /sys/block/vda/mq | wc -l)"
}

disk_sum() {
	echo 3 >/proc/sys/vm/drop_caches
	say holds "$(sum </dev/vda)"
}

disk_write() {
	dd if=/dev/urandom of=/dev/vda bs=64k count=64 conv=fsync 2>/dev/null &&
		disk_sum
}

# A read while nobody serves the disk: it ends when somebody does
disk_wait() {
	echo 3 >/proc/sys/vm/drop_caches
	dd if=/dev/vda of=/tmp/waited bs=4k count=1 2>/dev/null &
}

disk_waited() {
	wait
	say waited "$(sum </tmp/waited)"
}

fs() {
	modprobe virtiofs && mkdir -p /shared && mount -t virtiofs host /shared &&
		say mounted "$(cat /shared/hello)"
}

# Of each kind of call one; says what went wrong
fs_posix() {
	cd /shared || return
	{
		mkdir dir && echo one >dir/a && echo two >>dir/a &&
			[ "$(cat dir/a)" = "one
two" ] || say bad write
		mv dir/a dir/b && ln dir/b dir/c && ln -s b dir/d &&
			[ "$(cat dir/d)" = "$(cat dir/c)" ] &&
			[ "$(stat -c %h dir/b)" = 2 ] || say bad names
		chmod 640 dir/b && [ "$(stat -c %a dir/c)" = 640 ] || say bad mode
		touch -d '2001-02-03 04:05:06' dir/b &&
			[ "$(date -r dir/b +%Y)" = 2001 ] || say bad time
		truncate -s 5 dir/b && [ "$(wc -c <dir/c)" = 5 ] || say bad size
		! mkdir dir 2>/dev/null && ! rmdir dir 2>/dev/null &&
			! cat dir/none 2>/dev/null || say bad failures
		i=0
		while [ $i -lt 200 ]; do
			: >"dir/f$i"
			i=$((i + 1))
		done
		[ "$(ls dir | wc -l)" = 203 ] || say bad list
		rm dir/f* dir/c dir/d && [ "$(ls dir)" = b ] || say bad removal
	} 2>&1
	cd /
	say posix
}

# Data there and back
fs_data() {
	say read "$(sum </shared/data)"
	head -c 3000000 /dev/urandom >/shared/made
	sync
	echo 3 >/proc/sys/vm/drop_caches
	say wrote "$(sum </shared/made)"
}

# A file system that is mounted has its driver wait for ever for who is gone.
fs_end() {
	umount /shared && say unmounted
}

# vsock_data PORT: some bytes to the host, and what comes back
vsock_data() {
	modprobe vmw_vsock_virtio_transport
	head -c 2000000 /dev/urandom >/tmp/out
	/vsock connect 2 "$1" </tmp/out >/tmp/in
	say sent "$(sum </tmp/out)" got "$(sum </tmp/in)"
}

# vsock_serve PORT: the other way round
vsock_serve() {
	/vsock listen "$1" </tmp/out >/tmp/in
	say sent "$(sum </tmp/out)" got "$(sum </tmp/in)"
}

. /net_guest.sh
