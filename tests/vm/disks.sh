# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# Disks under load: sourced by tests/vm/run, whose part disks this is.  Guests
# run build/tests/vm/diskio, see there.

diskio=build/tests/vm/diskio

# /dev/ram0, of 64 MiB, for whoever is the first to need it.
ram_disk() {
	[ -e /dev/ram0 ] || modprobe brd rd_nr=1 rd_size=65536 ||
		{ why="no brd"; return 4; }
}

# The initramfs with diskio, and with what makes and checks file systems.
make_disk_initrd() {
	local dir=$tmp/disk-initrd file lib
	disk_initrd=$tmp/disk-initrd.gz
	mkdir -p "$dir/lib64" "$dir/sbin"
	cp $diskio "$dir/" || return
	# The guest's kernel is this one; its initramfs has ext4 without it.
	find -L build/kernels/6.1/lib -name crc32c_generic.ko \
		-exec cp {} "$dir/" \;
	for file in /sbin/mke2fs /sbin/e2fsck /sbin/resize2fs; do
		cp "$file" "$dir/sbin/" || return
		while read -r lib; do
			cp -n --parents -L "$lib" "$dir/"
		done < <(ldd "$file" | grep -o '/[^ ]*')
	done
	tar -cf "$dir/files.tar" vmm
	tar -tf "$dir/files.tar" | grep '\.c$' | xargs sha256sum >"$dir/sums"
	(cd "$dir" && find . | cpio -o -H newc --quiet -R 0:0) | gzip -1 |
		cat $initrd - >"$disk_initrd"
}

# start_disk NAME DISK COMMAND [ARG...]: a guest with it as vda, or as sda of
# which the command is then
start_disk() {
	local name=$1 disk=$2 command=$3
	shift 3
	rm -rf "${tmp:?}/$name"
	if [ "$bus" = scsi ]; then
		command="modprobe virtio_scsi; modprobe sd_mod
			until [ -b /dev/sda ]; do sleep 0.1; done
			${command//vda/sda}"
	fi
	initrd=$disk_initrd with_run "$command" "--$bus" "$disk" "$@"
	run_args[${#run_args[@]}-1]+=" ${disk_append-}"
	start "$name" "${run_args[@]}"
}

bus=disk

# on_scsi TEST ARG...: the same with a SCSI disk
on_scsi() {
	local bus=scsi
	"$@"
}

# make_image FILE SIZE: of the format that its name ends in
make_image() {
	case $1 in
	*.qcow2) "$program" img create "$1" "$2" ;;
	*) truncate -s "$2" "$1" ;;
	esac
}

# contents FILE: what the disk holds is in $t/contents then; a sound image
contents() {
	case $1 in
	*.qcow2)
		# After SIGKILL, clusters may be lost.
		qemu-img check "$1" >"$t/qemu-check" 2>&1 || [ $? = 3 ] ||
			fail "$(cat "$t/qemu-check")" || return
		"$program" img check "$1" >"$t/img-check" 2>&1 || [ $? = 3 ] ||
			fail "$(cat "$t/img-check")" || return
		qemu-img convert -O raw "$1" "$t/contents" 2>"$t/err" ||
			fail "$(cat "$t/err")"
		;;
	*) mv "$1" "$t/contents" ;;
	esac
}

# One kind of engine and ring: contents come back as they were written.
verified() {
	local disk=$1
	shift
	ram_disk || return
	start_disk verify "/dev/ram0,$disk" "/diskio /dev/vda verify 10" "$@"
	from verify
	ended verify 0 || return
	want out 'diskio: all is well' && want out 'vireo-guest: exit 0'
	rm -rf "$tmp/verify"
}

# disk_untar NAME DISK ARG...: a guest that makes a file system and fills it
disk_untar() {
	start_disk "$1" "$2" "$(tr '\n' ';' <<-'END'
		insmod /crc32c_generic.ko; modprobe ext4; mkdir /d
		/sbin/mke2fs -q -t ext4 /dev/vda
		mount -t ext4 /dev/vda /d
		tar -xf /files.tar -C /d
		umount /d
		echo 3 >/proc/sys/vm/drop_caches
		mount -t ext4 /dev/vda /d
		cd /d && sha256sum -c /sums >/dev/null && echo files are well
		fstrim /d 2>/dev/null
		cd / && umount /d && /sbin/e2fsck -fn /dev/vda
	END
	)" "${@:3}"
}

# untarred FORMAT ARG...: a file system is made, filled, and found as it was; the
# host agrees.
untarred() {
	local image=$tmp/untar.$1
	shift
	make_image "$image" 64M || return
	disk_untar untar "$image" "$@"
	from untar
	ended untar 0 || return
	want out '^files are well' && want out 'vireo-guest: exit 0' || return
	contents "$image" || return
	/sbin/e2fsck -fn "$t/contents" >"$t/e2fsck" 2>&1 ||
		fail "its file system is not clean" || return
	rm -rf "$tmp/untar" "$image"
}

# What the guest was told is on the disk is there after a SIGKILL.
survives_kill() {
	local i n image=$tmp/durable.$1
	for i in 20 90 300; do
		make_image "$image" 32M || return
		start_disk durable "$image" "/diskio /dev/vda durable"
		from durable
		reaches durable out "^durable ($i|[0-9]*[0-9]{3,})" || return
		kill -9 "${pids[durable]}"
		ended durable 137 || return
		n=$(tr -d '\r' <"$tmp/durable/out" |
			sed -n 's/^durable \([0-9]*\)$/\1/p' | tail -n 1)
		contents "$image" || return
		$diskio "$t/contents" check "$n" >"$t/check" 2>&1 ||
			fail "$(cat "$t/check")" || return
		rm -rf "$tmp/durable" "$image" "$t/contents"
	done
}

# small_disk FORMAT: 64 MiB of disk where there is room for 16
small_disk() {
	mkdir -p "$tmp/small"
	mount -t tmpfs -o size=16M none "$tmp/small" ||
		{ why="no tmpfs"; return 4; }
	make_image "$tmp/small/disk.$1" 64M
}

# The host's disk is full: to the guest that is an error like any other.
full_reported() {
	small_disk "$1" || return
	start_disk full "$tmp/small/disk.$1" \
		"/diskio /dev/vda fill; /diskio /dev/vda fill"
	from full
	ended full 0
	status=$?
	umount "$tmp/small"
	[ $status = 0 ] || return 1
	# A SCSI disk has a word of its own for it.
	want out 'diskio: filled [34][0-9]{3} of 16384: (Input/output error|No space left)'
}

# Or it waits until there is room.
full_stops() {
	small_disk "$1" || return
	start_disk wait "$tmp/small/disk.$1,on-error=stop" \
		"/diskio /dev/vda fill; /diskio /dev/vda verify 1"
	from wait
	wait_for $boot_limit is_stopped_by_error
	status=$?
	mount -o remount,size=80M "$tmp/small"
	[ $status = 0 ] && ask wait cont && ended wait 0 &&
		{ [ "$1" = raw ] || contents "$tmp/small/disk.$1"; }
	status=$?
	umount -l "$tmp/small"
	[ $status = 0 ] || return 1
	want out 'diskio: filled 16384 of 16384: all' &&
		want out 'vireo-guest: exit 0'
}

is_stopped_by_error() {
	: >"$t/answers"
	ask wait query-status && grep -q '"io-error"' "$t/answers"
}

# disk_grow NAME DISK ARG...: a guest with a file system that is to grow
disk_grow() {
	start_disk "$1" "$2" "$(tr '\n' ';' <<-'END'
		insmod /crc32c_generic.ko; modprobe ext4; mkdir /d
		/sbin/mke2fs -q -t ext4 /dev/vda
		mount -t ext4 /dev/vda /d; echo is mounted
		until [ $(cat /sys/block/vda/size) = 131072 ]; do sleep 0.2; done
		/sbin/resize2fs /dev/vda
		dd if=/dev/zero of=/d/file bs=1M count=40 conv=fsync && echo has room
		umount /d && /sbin/e2fsck -fn /dev/vda
	END
	)" "${@:3}"
}

# A disk that grows under a mounted file system, which then grows, too
resized() {
	truncate -s 16M "$tmp/grow.img"
	disk_grow grow "$tmp/grow.img"
	from grow
	reaches grow out '^is mounted' || return
	ask grow block_resize '{"device": "disk0", "size": 67108864}' ||
		fail "block_resize fails" || return
	ended grow 0 || return
	want out '^has room' && want out 'vireo-guest: exit 0' || return
	/sbin/e2fsck -fn "$tmp/grow.img" >"$t/e2fsck" 2>&1 ||
		fail "its file system is not clean" || return
	rm -rf "$tmp/grow" "$tmp/grow.img"
}

# holds OPTION...: machine `holder' has disks, and does not run
holds() {
	rm -rf "$tmp/holder"
	start holder --kernel "$images/vmlinuz" --memory 128M --paused \
		--console none "$@"
	wait_for 60 ask holder query-status || fail "$(cat "$tmp/holder/err")"
}

lets_go() {
	ask holder quit && ended holder 4
}

# refused WHY OPTION...
refused() {
	local words=$1
	shift
	vireo run --name second --kernel "$images/vmlinuz" --memory 128M --paused \
		--console none "$@" </dev/null
	want_status 1 && want err "$words"
}

# A device has several names: nodes that somebody has made, and links.
device_names() {
	local node=$tmp/node other=$tmp/node.again writes=', which writes to it'
	local link=$tmp/link name second
	ram_disk || return
	mknod "$node" b 1 0 && mknod "$other" b 1 0 && mknod /dev/another b 1 0 &&
		ln -s /dev/ram0 "$link" || fail "no nodes" || return
	for name in /dev/ram0 "$node" /dev/another; do
		holds --disk "$name,ro" || return
		for second in /dev/ram0 "$other" /dev/another "$link"; do
			refused 'in use by another process \(only ro' --disk "$second" ||
				return
		done
		# Readers share it, whatever they call it.
		vireo img info "$other"
		want_status 0 || return
		rm -rf "$tmp/reader"
		start reader --kernel "$images/vmlinuz" --memory 128M --paused \
			--console none --scsi "$other,ro"
		wait_for 60 ask reader query-status || fail "readers do not share" ||
			return
		ask reader quit && ended reader 4 && lets_go || return
		holds --scsi "$name" || return
		for second in /dev/ram0 "$other" /dev/another "$link"; do
			refused "$writes" --disk "$second,ro" &&
				refused "$writes" --cdrom "$second" &&
				refused 'in use: it is mounted, or' --scsi "$second" ||
				return
		done
		lets_go || return
	done
	# One that nobody knows, in its place
	holds --disk /dev/ram0,ro || return
	mv /dev/ram0 /dev/ram0.away
	refused "cannot tell who else has disk $node: /dev/ram0: No such" \
		--disk "$node"
	status=$?
	mv /dev/ram0.away /dev/ram0
	[ $status = 0 ] && lets_go && rm /dev/another
}

# The same for descriptors, of which only /dev's own nodes can be known.
device_names_by_qmp() {
	local add=x-vireo-scsi-add
	[ -b "$tmp/node" ] || { why="no brd"; return 4; }
	holds --disk "$tmp/node,ro" || return
	truncate -s 1M "$tmp/first.img"
	rm -rf "$tmp/adder"
	start adder --kernel "$images/vmlinuz" --memory 128M --paused \
		--console none --scsi "$tmp/first.img"
	wait_for 60 ask adder query-status || fail "it does not start" || return
	ask adder add-fd '{"fdset-id": 1}' "$tmp/node.again" || return
	ask adder add-fd '{"fdset-id": 2}' /dev/ram0 || return
	! ask adder $add '{"path": "/dev/fdset/1"}' || fail "it takes any node" ||
		return
	want answers "a device's node outside /dev" || return
	! ask adder $add '{"path": "/dev/fdset/2"}' || fail "two have it" || return
	want answers 'fdset/2 is in use by another process' || return
	ask adder $add '{"path": "/dev/fdset/2", "readonly": true}' || return
	ask adder quit && ended adder 4 && lets_go
}

# have_disk_initrd NAME: what the parts below need, or NAME is skipped
have_disk_initrd() {
	[ -x $diskio ] && make_disk_initrd && return
	skip "$1" "no $diskio (make vm-guest), or no e2fsprogs"
	return 1
}

disk_tests() {
	have_disk_initrd disks || return
	fio_tests
	run_test "disk: threads, O_DIRECT" verified aio=threads,cache=none
	run_test "disk: writethrough" verified cache=writethrough
	run_test "disk: the main thread" verified iothreads=0
	run_test "disk: four queues, two threads, polling" \
		verified queues=4,iothreads=2,poll=50 --cpus 4
	run_test "disk: 256 queues" verified queues=256,iothreads=2 --cpus 2
	run_test "disk: limits" verified iops=300,bps=8M
	run_test "disk: mkfs, untar, fsck" untarred raw
	run_test "disk: mkfs, untar, fsck; packed ring" untarred raw --virtio packed=on
	run_test "disk: mkfs, untar, fsck; qcow2" untarred qcow2
	run_test "disk: SIGKILL in the middle of writing" survives_kill raw
	run_test "disk: SIGKILL in the middle of writing; qcow2" survives_kill qcow2
	run_test "disk: the host's is full" full_reported raw
	run_test "disk: the host's is full; qcow2" full_reported qcow2
	run_test "disk: the host's is full, on-error=stop" full_stops raw
	run_test "disk: the host's is full, on-error=stop; qcow2" full_stops qcow2
	run_test "disk: resized under a mounted file system" resized
}

disk_service_tests() {
	have_disk_initrd "disks served elsewhere" || return
	kernel_disk_tests
	run_test "disk: a device by several names" device_names
	run_test "disk: a device by several names, and by QMP" device_names_by_qmp
	held_tests
}

disk_scsi_tests() {
	have_disk_initrd "SCSI disks" || return
	run_test "SCSI disk: its thread" on_scsi verified aio=libaio
	run_test "SCSI disk: the main thread" on_scsi verified iothreads=0
	run_test "SCSI disk: four queues, polling" \
		on_scsi verified queues=4,poll=50,cpus=0-1 --cpus 4
	run_test "SCSI disk: limits" on_scsi verified iops=300,bps=8M
	run_test "SCSI disk: mkfs, untar, fsck" on_scsi untarred raw
	run_test "SCSI disk: mkfs, untar, fsck; qcow2" on_scsi untarred qcow2
	run_test "SCSI disk: SIGKILL in the middle of writing; qcow2" \
		on_scsi survives_kill qcow2
	run_test "SCSI disk: the host's is full" on_scsi full_reported raw
	run_test "SCSI disk: the host's is full, on-error=stop" on_scsi full_stops raw
}
