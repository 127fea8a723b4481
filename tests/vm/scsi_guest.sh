# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=sh
# Run by the init of the guest of tests/vm/scsi.sh: each line that comes on the
# console is a function's name; what it finds is said in lines `guest: ...`.

say() {
	echo "guest: $*"
}

# wait_for COMMAND...: up to a minute, of the guest
wait_for() {
	n=0
	until "$@" 2>/dev/null; do
		n=$((n + 1))
		[ $n -lt 600 ] || return
		sleep 0.1
	done
}

# The disk of serial number $1
disk_of() {
	for d in /sys/block/sd*; do
		[ "$(tail -c +5 "$d/device/vpd_pg80" 2>/dev/null)" != "$1" ] ||
			echo "${d##*/}"
	done
}

has_disk() {
	[ -n "$(disk_of "$1")" ]
}

has_none() {
	! has_disk "$1"
}

devices() {
	modprobe virtio_scsi && modprobe sd_mod && modprobe sr_mod && modprobe isofs
	wait_for has_disk DISK-0
	wait_for test -b /dev/sr0
	for d in /sys/bus/scsi/devices/[0-9]*:*; do
		say device "${d##*:*:}" "$(cat "$d/type" "$d/vendor" "$d/model" | tr -s ' \n' ' ')"
	done
	disk=$(disk_of DISK-0)
	q=/sys/block/$disk/queue
	say disk size "$(cat "/sys/block/$disk/size")"
	say disk ro "$(cat "/sys/block/$disk/ro")"
	say disk cache "$(cat "$q/write_cache")" "$(cat "$q/fua")"
	say disk rotational "$(cat "$q/rotational")"
	say disk discard "$(cat "$q/discard_max_hw_bytes")"
	say disk zeroes "$(cat "$q/write_zeroes_max_bytes")"
	say disk provisioning "$(cat "/sys/block/$disk/device/scsi_disk/"*/provisioning_mode)"
	say disk sum "$(sha256sum <"/dev/$disk" | cut -d ' ' -f 1)"
	ro=$(disk_of DISK-1)
	say ro "$(cat "/sys/block/$ro/ro")"
	say ro sum "$(sha256sum <"/dev/$ro" | cut -d ' ' -f 1)"
	say queues "$(find "/sys/block/$disk/mq" -mindepth 1 -maxdepth 1 | wc -l)"
}

# A partition, a file system on it, and what is written read from the medium.
files() {
	printf 'n\np\n1\n\n\nw\n' | fdisk "/dev/$disk" >/dev/null 2>&1
	wait_for test -b "/dev/${disk}1"
	mke2fs "/dev/${disk}1" >/dev/null 2>&1 || say mke2fs failed
	modprobe ext4
	mkdir -p /mnt
	mount -t ext2 "/dev/${disk}1" /mnt || say mount failed
	dd if=/dev/urandom of=/mnt/random bs=64k count=100 2>/dev/null
	before=$(sha256sum </mnt/random)
	head -c 3000000 /dev/zero >/mnt/gone
	umount /mnt
	echo 3 >/proc/sys/vm/drop_caches
	mount -t ext2 "/dev/${disk}1" /mnt || say mount failed
	[ "$(sha256sum </mnt/random)" = "$before" ] && say files same
	rm /mnt/gone
	fstrim /mnt && say files trimmed
	echo kept >/mnt/mark
	umount /mnt
	echo "write through" >"/sys/block/$disk/device/scsi_disk/$(ls "/sys/block/$disk/device/scsi_disk")/cache_type" &&
		say cache "$(cat "/sys/block/$disk/queue/write_cache")"
}

cdrom() {
	mkdir -p /cd
	mount -t iso9660 -o ro /dev/sr0 /cd && say cd "$(cat /cd/name.txt)"
	say cd sum "$(sha256sum </cd/big.bin | cut -d ' ' -f 1)"
	say cd drive "$(sed -n 's/^Can \(.*\):[[:space:]]*1$/\1/p' /proc/sys/dev/cdrom/info | tr '\n' ';')"
}

leave() {
	umount /cd && say cd left
}

again() {
	wait_for mount -t iso9660 -o ro /dev/sr0 /cd && say cd "$(cat /cd/name.txt)"
	umount /cd
}

more() {
	wait_for has_disk DISK-2
	d=$(disk_of DISK-2)
	say more "$(cat "/sys/block/$d/size")" "$(sha256sum <"/dev/$d" | cut -d ' ' -f 1)"
}

less() {
	wait_for has_none DISK-2
	has_none DISK-2 && say less
}

larger() {
	wait_for grep -q 200000 "/sys/block/$disk/size"
	say larger "$(cat "/sys/block/$disk/size")"
}

# What the kernel resets, and goes on.
reset() {
	dd if="/dev/$disk" of=/dev/null bs=64k count=100 2>/dev/null && say reads
	dmesg -r | grep '^<[0-4]>' | sed 's/^/guest: warning /'
}

while read -r line; do
	$line
	say "done" "$line"
done
