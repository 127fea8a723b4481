# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2154 # what the suite has set
# Part of tests/cli/run: vireo config.

config_checks() {
	echo '{ "kernel": "k", "memory": { "size": "1G" }, "disk": "a" }' >"$t/vm.json"
	vireo config --check "$t/vm.json"
	want_status 0 && same out "" && same err "" || return
	# What the file leaves out
	echo '{ "cpus": 2 }' >"$t/vm.json"
	refuses 2 '--kernel FILE is missing' config --check "$t/vm.json" || return
	vireo config --check "$t/vm.json" --kernel k
	want_status 0
}

# config_error REGEX TEXT
config_error() {
	echo "$2" >"$t/vm.json"
	refuses 2 "vm.json.*$1" config --check "$t/vm.json" &&
		refuses 2 "vm.json.*$1" config --print "$t/vm.json" &&
		refuses 2 "vm.json.*$1" run --config "$t/vm.json"
}

config_prints() {
	echo '{ "$schema": "x", "kernel": "k", "memory": 64, "rng": {} }' >"$t/vm.json"
	vireo config --print "$t/vm.json" --cpus 3
	want_status 0 && same err "" || return
	[ "$(jq -c '[.kernel, .memory.size, .rng.source, .cpus, .name, .disk,
		.["$schema"]]' <"$t/out")" = \
		'["k","64M","/dev/urandom",3,null,[],null]' ] ||
		fail "not that configuration" || return
	# It is a configuration, the same.
	cp "$t/out" "$t/printed"
	vireo config --print "$t/printed"
	want_status 0 || return
	cmp "$t/out" "$t/printed" || fail "printed again it is another" || return
	vireo config --print --kernel=k --uuid 6BA7B810-9DAD-11D1-80B4-00C04FD430C8
	[ "$(jq -r .uuid <"$t/out")" = 6ba7b810-9dad-11d1-80b4-00c04fd430c8 ] ||
		fail "its UUID is another" || return
	want_status 0 && [ "$(jq -r .kernel <"$t/out")" = k ]
}

config_schema() {
	vireo config --schema
	want_status 0 || return
	cmp "$t/out" vmm/vm.schema.json >"$t/cmp" || fail "another one ships" ||
		return
	python3 -c 'import jsonschema' 2>/dev/null ||
		{ why="no jsonschema for python3"; return 4; }
	echo '{ "kernel": "k", "disk": [ "a", { "path": "b", "ro": true } ] }' \
		>"$t/good.json"
	echo '{ "kernel": "k", "disk": [ { "paht": "b" } ] }' >"$t/bad.json"
	echo '{ "kernel": "k", "uuid": "6ba7b810" }' >"$t/uuid.json"
	cat >"$t/validate.py" <<-'END'
	import json, sys, jsonschema
	schema, *files = [json.load(open(name)) for name in sys.argv[1:]]
	kind = jsonschema.validators.validator_for(schema)
	kind.check_schema(schema)
	print([kind(schema).is_valid(f) for f in files])
	END
	python3 "$t/validate.py" vmm/vm.schema.json "$t/good.json" "$t/bad.json" \
		"$t/uuid.json" >"$t/valid" 2>&1
	same valid '[True, False, False]'
}

config_tests() {
	run_test "config --check" config_checks
	run_test "config: an unknown key" config_error \
		'memory: unknown key sise .did you mean size' \
		'{ "kernel": "k", "memory": { "sise": 64 } }'
	run_test "config: an unknown option as key" config_error \
		'unknown key kernal .did you mean kernel' '{ "kernal": "k" }'
	run_test "config: a wrong value" config_error 'cpus 65: must be 1 to 64' \
		'{ "kernel": "k", "cpus": 65 }'
	run_test "config: no JSON" config_error ':1: ' '{ "kernel": }'
	run_test "config: what belongs to the command line" config_error \
		'unknown key detach' '{ "kernel": "k", "detach": true }'
	run_test "config: no file" refuses 2 'No such file' \
		config --check "$tmp/none.json"
	run_test "config: nothing to do" refuses 2 'config wants' config
	run_test "config: something else" refuses 2 'config wants' config --chekc x
	run_test "config --print" config_prints
	run_test "config --schema" config_schema
}
