# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2154 # what the suite has set
# Part of tests/vm/run: queues of stock guests that the kernel or another process
# serves.  net.sh has what makes and asks guests with cards.

# ---- tap, by vhost-net -----------------------------------------------------------

start_vhost_tap() {
	modprobe vhost_net && make_tap vtap1 192.168.78.1 || return
	start_net vhost "tap,name=vtap1,vhost=on,queues=2,iothreads=2,mtu=1400,mac=52:54:00:00:00:08" \
		--cpus 2 --log info
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

# ----------------------------------------------------------------------------------

vhost_tests() {
	[ -d "$tmp/www" ] || serve_host
	run_test "vhost-net: an interface, and the guest is told to start" start_vhost_tap
	run_test "vhost-net: the host answers" vhost_tap
	run_test "vhost-net: data in both directions, by two queues" vhost_tap_data
	run_test "vhost-net: the cable out and in" vhost_tap_link
	run_test "vhost-net: paused, and on" vhost_tap_pause
	run_test "vhost-net: the guest ends" vhost_ends vhost
}
