# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2154 # what the suite has set
# Part of tests/vm/run: queues of stock guests that the kernel or another process
# serves.  net.sh has what makes and asks guests with cards.

# ---- tap, by vhost-net -----------------------------------------------------------

start_vhost_tap() {
	modprobe vhost_net && make_tap vtap1 192.168.78.1 || return
	start_net vhost "tap,name=vtap1,vhost=on,queues=2,iothreads=2,mtu=1400,mac=52:54:00:00:00:08" \
		--cpus 2 --log info --sandbox strict
}

vhost_tap() {
	net_ready vhost && tell vhost 'static 192.168.78.2' &&
		tell vhost 'reaches 192.168.78.1' && want said '^reaches' || return
	want err 'net0: vhost-net serves its queues'
}

vhost_tap_data() {
	tell vhost 'fetch http://192.168.78.1:8080/data' &&
		want said "^fetched $(host_sum)\$" || return
	tell vhost 'serve 5000000' || return
	host_fetches http://192.168.78.2/data "$(served)" || return
	tell vhost 'fetch_many http://192.168.78.1:8080/data 4' &&
		want said "^many +4 $(host_sum)\$" || return
	tell vhost interrupts && want said '^interrupts 2$' || return
	# None of it came by this process.
	ask vhost x-vireo-query-net || fail "no answer" || return
	want answers '"active-queues": 2' && want_not answers '"frames": [1-9]{3}'
}

vhost_tap_link() {
	ask vhost set_link '{"name": "net0", "up": false}' || fail "no set_link" || return
	tell vhost 'until_carrier 0' && want said '^carrier 0$' || return
	! ping -c 1 -W 2 192.168.78.2 >"$t/ping" 2>&1 || fail "it answers" || return
	ask vhost set_link '{"name": "net0", "up": true}' || fail "no set_link" || return
	tell vhost 'until_carrier 1' && want said '^carrier 1$' || return
	tell vhost 'reaches 192.168.78.1' && want said '^reaches' || return
	[ "$(grep -c 'vhost-net serves its queues' "$tmp/vhost/err")" = 2 ] ||
		fail "it is not served as before"
}

# It goes on where it was.
vhost_tap_pause() {
	ask vhost stop && ask vhost cont || fail "no pause" || return
	tell vhost 'fetch http://192.168.78.1:8080/data' &&
		want said "^fetched $(host_sum)\$"
}

# As net_ends, of one with more to say
vhost_ends() {
	tell "$1" warnings || return
	grep -vE "$(harmless)" "$t/said" | grep '^warning' >"$t/warnings"
	same warnings "" || return
	type_in "$1" 'end\n'
	ended "$1" 0
}

# ---- devices of other processes ---------------------------------------------------

qsd=$(command -v qemu-storage-daemon)
virtiofsd=/usr/lib/qemu/virtiofsd

# It exports $tmp/vhost.img, whoever had it before.
start_qsd() {
	qemu-storage-daemon \
		--blockdev "file,node-name=f,filename=$tmp/vhost.img" \
		--export "vhost-user-blk,id=e,node-name=f,addr.type=unix,addr.path=$tmp/qsd.sock,writable=on,num-queues=2" \
		>"$tmp/qsd.log" 2>&1 &
	qsd_pid=$!
	started+=($!)
	disown
	wait_for 20 test -S "$tmp/qsd.sock" || fail "$(cat "$tmp/qsd.log")"
}

start_virtiofsd() {
	mkdir -p "$tmp/shared"
	echo "of the host" >"$tmp/shared/hello"
	head -c 3000000 /dev/urandom >"$tmp/shared/data"
	$virtiofsd -f --socket-path="$tmp/fs.sock" -o source="$tmp/shared" \
		-o sandbox=chroot >"$tmp/fs.log" 2>&1 &
	fs_pid=$!
	started+=($!)
	disown
	wait_for 20 test -S "$tmp/fs.sock" || fail "$(cat "$tmp/fs.log")"
}

start_vhost_devices() {
	[ -n "$qsd" ] || { why="no qemu-storage-daemon"; return 4; }
	[ -x $virtiofsd ] || { why="no virtiofsd"; return 4; }
	modprobe vhost_vsock || fail "no vhost_vsock" || return
	head -c 16M /dev/urandom >"$tmp/vhost.img"
	cp build/tests/vm/vsock "$tmp/vsock" && (
		cd "$tmp" && cp "$OLDPWD/tests/vm/vhost_guest.sh" . &&
			printf '%s\n' vsock vhost_guest.sh |
			cpio -o -H newc --quiet -R 0:0
	) | gzip | cat "$full_initrd" - >"$tmp/vhost-initrd" || return
	start_qsd && start_virtiofsd || return
	start devices --kernel "$images/vmlinuz" --initrd "$tmp/vhost-initrd" \
		--append 'console=ttyS0 quiet run="sh /vhost_guest.sh"' \
		--memory 256M --cpus 2 --log info \
		--vhost-user-blk "$tmp/qsd.sock,queues=2" \
		--fs "tag=host,path=$tmp/fs.sock" --vsock cid=7,vhost=on
}

has_devices() {
	[ -n "${pids[devices]-}" ] || { why="no such guest"; return 4; }
	from devices
}

image_sum() {
	sha256sum <"$tmp/vhost.img" | cut -d ' ' -f 1
}

vhost_blk() {
	has_devices && net_ready devices && tell devices disk || return
	want said '^disk 32768 queues 2$' || return
	tell devices disk_sum && want said "^holds $(image_sum)\$" || return
	tell devices disk_write && want said "^holds $(image_sum)\$"
}

vhost_blk_gone() {
	has_devices || return
	kill "$qsd_pid"
	reaches devices err 'vhost-user-blk0: its backend has gone' || return
	tell devices disk_wait || return
	rm -f "$tmp/qsd.sock"
	start_qsd && reaches devices err 'vhost-user-blk0: its backend is back' ||
		return
	tell devices disk_waited &&
		want said "^waited $(head -c 4096 "$tmp/vhost.img" | sha256sum | cut -d ' ' -f 1)\$" ||
		return
	tell devices disk_write && want said "^holds $(image_sum)\$"
}

vhost_fs() {
	has_devices && tell devices fs && want said '^mounted of the host$' || return
	tell devices fs_posix && want said '^posix$' && want_not said '^bad' ||
		return
	[ "$(stat -c '%a %s' "$tmp/shared/dir/b")" = "640 5" ] ||
		fail "the host does not see what the guest did"
}

vhost_fs_data() {
	has_devices && tell devices fs_data || return
	want said "^read $(sha256sum <"$tmp/shared/data" | cut -d ' ' -f 1)\$" &&
		want said "^wrote $(sha256sum <"$tmp/shared/made" | cut -d ' ' -f 1)\$"
}

# As a program of a file: its sum
of() {
	sha256sum <"$1" | cut -d ' ' -f 1
}

vhost_vsock() {
	has_devices || return
	head -c 2500000 /dev/urandom >"$t/host-out"
	timeout 300 build/tests/vm/vsock listen 1234 <"$t/host-out" >"$t/host-in" &
	tell devices 'vsock_data 1234' && wait $! || return
	want said "^sent $(of "$t/host-in") got $(of "$t/host-out")\$" || return
	# The guest's is told to listen, and may take a while.
	type_in devices 'vsock_serve 1235\n'
	wait_for 60 timeout 300 sh -c \
		"build/tests/vm/vsock connect 7 1235 <$t/host-out >$t/host-in 2>$t/connect" ||
		fail "$(cat "$t/connect")" || return
	reaches devices out "^guest: sent $(of "$t/host-in") got $(of "$t/host-out")"
}

# A pause takes all rings back and hands them over again.
vhost_devices_pause() {
	has_devices && ask devices stop && ask devices cont ||
		fail "no pause" || return
	vhost_blk && vhost_fs_data
}

# The device is of no use any more; all else is.
vhost_fs_gone() {
	has_devices && tell devices fs_end && want said '^unmounted$' || return
	kill "$fs_pid"
	reaches devices err 'fs0: its backend has gone' &&
		reaches devices err 'fs0: .*device needs reset' || return
	tell devices disk_sum && want said "^holds $(image_sum)\$"
}

vhost_devices_end() {
	has_devices || return
	type_in devices 'end\n'
	ended devices 0
}

# ----------------------------------------------------------------------------------

vhost_tests() {
	[ -d "$tmp/www" ] || serve_host
	run_test "vhost-net: an interface, and the guest is told to start" start_vhost_tap
	run_test "vhost: a guest with devices of others is told to start" start_vhost_devices
	run_test "vhost-net: the host answers" vhost_tap
	run_test "vhost-net: data in both directions, by two queues" vhost_tap_data
	run_test "vhost-net: the cable out and in" vhost_tap_link
	run_test "vhost-net: paused, and on" vhost_tap_pause
	run_test "vhost-net: the guest ends" vhost_ends vhost
	run_test "vhost-user-blk: what is on the disk, and what is written" vhost_blk
	run_test "vhost-user-blk: its backend goes and comes back" vhost_blk_gone
	run_test "virtio-fs: files and directories" vhost_fs
	run_test "virtio-fs: data in both directions" vhost_fs_data
	run_test "vhost-vsock: data in both directions, from both ends" vhost_vsock
	run_test "vhost: paused, and on" vhost_devices_pause
	run_test "virtio-fs: its backend goes" vhost_fs_gone
	run_test "vhost: the guest ends" vhost_devices_end
}
