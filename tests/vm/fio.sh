# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# fio on each engine of disks and each kind of ring: sourced by tests/vm/run for
# its part disks.  What it writes it reads back and verifies.

# The host's fio with its libraries, on a disk, of which a guest reads what it
# needs: all of it would not fit into a small one's memory.
make_fio_disk() {
	local dir=$tmp/fio lib
	fio_disk=$tmp/fio.img
	[ ! -e "$fio_disk" ] || return 0
	command -v fio >/dev/null || return
	mkdir -p "$dir/dev" "$dir/proc" "$dir/sys" "$dir/tmp"
	for lib in "$(command -v fio)" $(ldd "$(command -v fio)" | grep -o '/[^ ]*'); do
		cp -n --parents -L "$lib" "$dir/" || return
	done
	/sbin/mke2fs -q -t ext4 -d "$dir" "$fio_disk" 160M >/dev/null || return
	rm -rf "$dir"
}

# fio DISK [ARG...]: random writes and reads of all sizes, several at once
fio_verifies() {
	local disk=$1 job
	shift
	make_fio_disk || { why="no fio"; return 4; }
	ram_disk || return
	job="--name=verify --filename=/dev/vda --size=16M --direct=1"
	job+=" --ioengine=libaio --iodepth=16 --rw=randwrite --bsrange=4k-64k"
	job+=" --verify=crc32c --verify_fatal=1 --verify_backlog=256"
	job+=" --verify_state_save=0 --fsync=64"
	start_disk fio "/dev/ram0,$disk" "$(tr '\n' ';' <<-END
		insmod /crc32c_generic.ko; modprobe ext4; mkdir /f
		mount -t ext4 -o ro /dev/vdb /f && mount --bind /dev /f/dev
		mount --bind /proc /f/proc && mount --bind /sys /f/sys
		mount -t tmpfs none /f/tmp
		chroot /f /usr/bin/fio $job && echo fio is content
	END
	)" --disk "$fio_disk,ro" "$@"
	from fio
	ended fio 0 || return
	want out '^fio is content' && want out 'err= 0' || return
	rm -rf "$tmp/fio"
}

fio_tests() {
	local engine

	for engine in libaio io_uring threads kernel; do
		run_test "disk: fio by $engine" fio_verifies "aio=$engine"
		run_test "disk: fio by $engine, packed ring" \
			fio_verifies "aio=$engine" --virtio packed=on
	done
}
