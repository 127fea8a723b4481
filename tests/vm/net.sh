# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2154 # what the suite has set
# Part of tests/vm/run: a stock guest's network, at each kind of other end.

# start_net NAME OPTIONS [ARG...]
start_net() {
	local name=$1 options=$2
	shift 2
	start "$name" --kernel "$images/vmlinuz" --initrd "$full_initrd" \
		--append 'console=ttyS0 quiet run="sh /net_guest.sh"' \
		--memory 256M --net "$options" "$@"
}

# tell NAME COMMAND: has the guest do that; what it says is in $t/said
tell() {
	local count before
	from "$1"
	before=$(wc -c <"$tmp/$1/out")
	count=$(times_done "$1" "$2")
	type_in "$1" "$2\n"
	wait_for $boot_limit has_done "$1" "$2" "$count" ||
		fail "'$2' does not end" || return
	! gone "${pids[$1]}" || fail "it ended in '$2'" || return
	tail -c "+$((before + 1))" "$tmp/$1/out" | tr -d '\r' |
		sed -n 's/^guest: //p' >"$t/said"
}

times_done() {
	tr -d '\r' <"$tmp/$1/out" | grep -c "^guest: done $2\$"
}

has_done() {
	gone "${pids[$1]}" || [ "$(times_done "$1" "$2")" -gt "$3" ]
}

# The sum of what the guest serves
served() {
	sed -n 's/^serves //p' "$t/said"
}

net_ready() {
	from "$1"
	reaches "$1" out '^guest: ready'
}

net_ends() {
	tell "$1" warnings || return
	grep -vE "$(harmless)" "$t/said" | grep '^warning' >"$t/warnings"
	same warnings "" || return
	type_in "$1" 'end\n'
	ended "$1" 0 && same err ""
}

# ---- the host's part ----------------------------------------------------------

# What guests fetch, from port 8080 of all the host's addresses
serve_host() {
	mkdir "$tmp/www"
	head -c 8M /dev/urandom >"$tmp/www/data"
	busybox httpd -f -p 8080 -h "$tmp/www" &
	started+=($!)
	disown # or its end would be told of
}

host_sum() {
	sha256sum <"$tmp/www/data" | cut -d ' ' -f 1
}

# host_fetches URL SUM
host_fetches() {
	local sum
	sum=$(timeout -k 5 300 busybox wget -q -O - "$1" | sha256sum |
		cut -d ' ' -f 1)
	[ "$sum" = "$2" ] || fail "what the host has fetched is $sum, not $2"
}

# ---- user ---------------------------------------------------------------------

net_user() {
	net_ready user && tell user card || return
	want said '^card 52:54:00:aa:bb:cc mtu 1500 queues 1$' || return
	tell user dhcp &&
		want said '^bound 10.0.2.15 255.255.255.0 10.0.2.2 10.0.2.3$' || return
	tell user 'reaches 10.0.2.2' && want said '^reaches 10.0.2.2$'
}

net_user_data() {
	tell user 'fetch http://10.0.2.2:8080/data' &&
		want said "^fetched $(host_sum)\$" || return
	tell user 'serve 5000000' && host_fetches http://127.0.0.1:8022/data "$(served)"
}

# Nobody else sees what the guest's process has: it is in no network.
net_user_alone() {
	local task
	no_network "${pids[user]}" || { why="no namespaces here"; return 4; }
	from user
	task=$(pgrep -n -f 'vireo run --name user')
	[ "$(readlink /proc/self/ns/net)" != "$(readlink "/proc/$task/ns/net")" ] ||
		fail "the machine is in the host's network"
}

no_network() {
	unshare -Ur true 2>/dev/null
}

net_isolated() {
	net_ready isolated && tell isolated dhcp && want said '^bound 10.9.8.15 ' ||
		return
	tell isolated 'fetch http://10.9.8.2:8080/data' || return
	want_not said "^fetched $(host_sum)\$" || return
	tell isolated 'serve 100000' &&
		host_fetches http://127.0.0.1:8023/data "$(served)" &&
		net_ends isolated
}

# ---- passt --------------------------------------------------------------------

# It wants a card of the host's with a way out, and is nobody's process.
start_passt() {
	command -v passt >/dev/null || { why="no passt"; return 4; }
	mkdir -m 777 "$tmp/passt-sock"
	modprobe dummy && ip link add out0 type dummy &&
		ip address add 192.0.2.2/24 dev out0 && ip link set out0 up &&
		ip route add default via 192.0.2.1 || fail "no card" || return
	passt -f -s "$tmp/passt-sock/s" -t 8024:80 >"$tmp/passt.log" 2>&1 &
	started+=($!)
	disown
	wait_for 20 test -S "$tmp/passt-sock/s" ||
		fail "passt: $(tail -n 1 "$tmp/passt.log")" || return
	start_net passt "passt,path=$tmp/passt-sock/s"
}

# The way out is the host itself to it.
net_passt() {
	[ -n "${pids[passt]-}" ] || { why="no passt"; return 4; }
	net_ready passt && tell passt dhcp &&
		want said '^bound 192.0.2.2 255.255.255.0 192.0.2.1' || return
	tell passt 'fetch http://192.0.2.1:8080/data' &&
		want said "^fetched $(host_sum)\$" || return
	tell passt 'serve 5000000' &&
		host_fetches http://127.0.0.1:8024/data "$(served)" &&
		net_ends passt
}

# ---- tap ----------------------------------------------------------------------

make_tap() {
	modprobe tun && ip tuntap add "$1" mode tap multi_queue &&
		ip address add "$2/24" dev "$1" && ip link set "$1" up
}

net_tap() {
	net_ready tap && tell tap card &&
		want said '^card 52:54:00:00:00:07 mtu 1400 queues 2$' || return
	# MAC, status, control queue, several queues; sums and cutting up.
	want said '^features 11.....1.*' || return
	tell tap 'static 192.168.77.2' && tell tap 'reaches 192.168.77.1' &&
		want said '^reaches'
}

net_tap_data() {
	tell tap 'fetch http://192.168.77.1:8080/data' &&
		want said "^fetched $(host_sum)\$" || return
	tell tap 'serve 5000000' || return
	host_fetches http://192.168.77.2/data "$(served)"
}

# Several connections are spread over the queues.
net_tap_many() {
	tell tap 'fetch_many http://192.168.77.1:8080/data 8' &&
		want said "^many +8 $(host_sum)\$" || return
	tell tap interrupts && want said '^interrupts 2$' || return
	ask tap x-vireo-query-net || fail "no answer" || return
	want answers '"active-queues": 2'
}

net_tap_link() {
	ask tap set_link '{"name": "net0", "up": false}' || fail "no set_link" || return
	tell tap 'until_carrier 0' && want said '^carrier 0$' || return
	! ping -c 1 -W 2 192.168.77.2 >"$t/ping" 2>&1 || fail "it answers" || return
	ask tap set_link '{"name": "net0", "up": true}' || fail "no set_link" || return
	tell tap 'until_carrier 1' && want said '^carrier 1$' || return
	tell tap 'reaches 192.168.77.1' && want said '^reaches'
}

net_tap_filter() {
	ask tap query-rx-filter || fail "no answer" || return
	want answers '"name": "net0"' && want answers '"promiscuous": false' &&
		want answers '"main-mac": "52:54:00:00:00:07"'
}

# ---- link ---------------------------------------------------------------------

net_link() {
	net_ready left && net_ready right || return
	tell left 'static 10.1.1.1' && tell right 'static 10.1.1.2' || return
	tell left 'until_carrier 1' && want said '^carrier 1$' || return
	tell right 'reaches 10.1.1.1' && want said '^reaches' || return
	tell left 'serve 5000000' || return
	local sum
	sum=$(served)
	tell right 'fetch http://10.1.1.1/data' && want said "^fetched $sum\$"
}

net_link_lost() {
	net_ends right || return
	tell left 'until_carrier 0' && want said '^carrier 0$' || return
	start_net right2 "link,path=$tmp/link.sock"
	net_ready right2 && tell left 'until_carrier 1' && want said '^carrier 1$' ||
		return
	tell right2 'static 10.1.1.2' && tell right2 'reaches 10.1.1.1' &&
		want said '^reaches' && net_ends right2
}

# -------------------------------------------------------------------------------

net_tests() {
	serve_host
	start_net user "user,mac=52:54:00:aa:bb:cc,hostfwd=tcp::8022-:80" \
		--sandbox strict
	start_net isolated "user,subnet=10.9.8.0/24,isolated,hostfwd=tcp::8023-:80"
	run_test "network: user: an address, and the host answers" net_user
	run_test "network: user: data in both directions" net_user_data
	run_test "network: user: the machine itself has none" net_user_alone
	run_test "network: user: the guest ends" net_ends user
	run_test "network: user, isolated: but for what is forwarded" net_isolated
	run_test "network: a TAP interface is made" make_tap vtap0 192.168.77.1
	start_net tap "tap,name=vtap0,vhost=off,queues=2,iothreads=2,mtu=1400,mac=52:54:00:00:00:07" \
		--cpus 2
	run_test "network: tap: queues, MTU, and the host answers" net_tap
	run_test "network: tap: data in both directions" net_tap_data
	run_test "network: tap: many connections" net_tap_many
	run_test "network: tap: the cable out and in" net_tap_link
	run_test "network: tap: what the driver wants to get" net_tap_filter
	run_test "network: tap: the guest ends" net_ends tap
	run_test "network: passt runs" start_passt
	run_test "network: passt: an address, and data in both directions" net_passt
	start_net left "link,path=$tmp/link.sock"
	start_net right "link,path=$tmp/link.sock"
	run_test "network: link: two guests" net_link
	run_test "network: link: one goes, and another comes" net_link_lost
	run_test "network: link: the guest ends" net_ends left
}
