// SPDX-License-Identifier: GPL-2.0-or-later
/* The command line and the JSON file: what they set, and what they refuse. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmocka_unit.h"
#include "config.h"
#include "error.h"
#include "options.h"

#define MIB (1ULL << 20)
#define MAX_ARGS 48

struct parsed {
	int ret;
	struct config cfg;
	struct error err;
	char *argv[MAX_ARGS + 1];
	char *line;
};

/* A command line split at blanks; no quoting. */
static void parse(struct parsed *p, const char *line)
{
	char *word, *save;
	int argc = 0;

	memset(p, 0, sizeof(*p));
	p->line = strdup(line);
	assert_non_null(p->line);
	for (word = strtok_r(p->line, " ", &save); word;
	     word = strtok_r(NULL, " ", &save)) {
		assert_true(argc < MAX_ARGS);
		p->argv[argc++] = word;
	}
	p->ret = options_parse(&p->cfg, argc, p->argv, &p->err);
}

static void done(struct parsed *p)
{
	if (!p->ret)
		config_free(&p->cfg);
	free(p->line);
}

static void parse_ok(struct parsed *p, const char *line)
{
	parse(p, line);
	if (p->ret)
		print_error("%s\n", p->err.text);
	assert_int_equal(p->ret, 0);
}

static void refuse(const char *line, const char *text)
{
	struct parsed p;

	parse(&p, line);
	assert_int_equal(p.ret, -EINVAL);
	assert_string_equal(p.err.text, text);
	assert_null(strchr(p.err.text, '\n'));
	assert_null(p.cfg.kernel);
	done(&p);
}

/* ---- the command line ---- */

static void defaults(void **state)
{
	struct parsed p;

	(void)state;
	parse_ok(&p, "--kernel k");
	assert_null(p.cfg.name); /* until one is found that is free */
	assert_string_equal(p.cfg.kernel, "k");
	assert_null(p.cfg.initrd);
	assert_null(p.cfg.append);
	assert_int_equal(p.cfg.memory.size, 512 * MIB);
	assert_int_equal(p.cfg.memory.kind, MEM_AUTO);
	assert_false(p.cfg.memory.huge);
	assert_false(p.cfg.memory.has_node);
	assert_int_equal(p.cfg.memory.prefault, 0);
	assert_int_equal(p.cfg.cpus, 1);
	assert_string_equal(p.cfg.console, "stdio");
	assert_string_equal(p.cfg.module, "auto");
	assert_int_equal(p.cfg.nr_disks, 0);
	assert_false(p.cfg.rng.present);
	assert_null(p.cfg.vcon.target);
	assert_int_equal(p.cfg.on_crash, ON_CRASH_STOP);
	assert_null(p.cfg.gdb.target);
	assert_false(p.cfg.gdb.wait);
	assert_false(p.cfg.paused);
	assert_int_equal(p.cfg.sandbox, SANDBOX_ON);
	assert_string_equal(p.cfg.log, "warn");
	done(&p);
}

static void all_options(void **state)
{
	struct parsed p;

	(void)state;
	parse_ok(&p, "--name n --kernel=a=b --initrd i --append=--x --memory "
		     "1G,backend=hugetlb,huge,node=1,prefault=on "
		     "--cpus 64 --console file:/x "
		     "--disk a --disk path=b,ro,serial=S --rng source=/r "
		     "--virtio-console stdio --module off --log debug "
		     "--on-crash pause --gdb unix:/s,wait --sandbox strict");
	assert_string_equal(p.cfg.name, "n");
	assert_string_equal(p.cfg.kernel, "a=b");
	assert_string_equal(p.cfg.initrd, "i");
	assert_string_equal(p.cfg.append, "--x");
	assert_int_equal(p.cfg.memory.size, 1024 * MIB);
	assert_int_equal(p.cfg.memory.kind, MEM_HUGETLB);
	assert_true(p.cfg.memory.huge);
	assert_true(p.cfg.memory.has_node);
	assert_int_equal(p.cfg.memory.node, 1);
	assert_int_equal(p.cfg.memory.prefault, UINT_MAX);
	assert_int_equal(p.cfg.cpus, 64);
	assert_string_equal(p.cfg.console, "file:/x");
	assert_int_equal(p.cfg.nr_disks, 2);
	assert_string_equal(p.cfg.disks[0].path, "a");
	assert_false(p.cfg.disks[0].readonly);
	assert_null(p.cfg.disks[0].serial);
	assert_string_equal(p.cfg.disks[1].path, "b");
	assert_true(p.cfg.disks[1].readonly);
	assert_string_equal(p.cfg.disks[1].serial, "S");
	assert_true(p.cfg.rng.present);
	assert_string_equal(p.cfg.rng.source, "/r");
	assert_string_equal(p.cfg.vcon.target, "stdio");
	assert_string_equal(p.cfg.module, "off");
	assert_string_equal(p.cfg.log, "debug");
	assert_int_equal(p.cfg.on_crash, ON_CRASH_PAUSE);
	assert_int_equal(p.cfg.sandbox, SANDBOX_STRICT);
	assert_string_equal(p.cfg.gdb.target, "unix:/s");
	assert_true(p.cfg.gdb.wait);
	assert_true(p.cfg.paused); /* by wait */
	done(&p);
}

static void sizes(void **state)
{
	static const struct {
		const char *text;
		uint64_t bytes;
	} good[] = { { "512", 512 * MIB },	{ "2048K", 2 * MIB },
		     { "2M", 2 * MIB },		{ "3g", 3072 * MIB },
		     { "1T", 1048576 * MIB },	{ "size=6m", 6 * MIB },
		     { "00000000004", 4 * MIB } };
	struct parsed p;
	char line[64];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		snprintf(line, sizeof(line), "--kernel k --memory %s",
			 good[i].text);
		parse_ok(&p, line);
		assert_int_equal(p.cfg.memory.size, good[i].bytes);
		done(&p);
	}
}

static void bad_sizes(void **state)
{
	(void)state;
	refuse("--memory 1M", "--memory: size=1M: must be 2M to 1T");
	refuse("--memory 2T", "--memory: size=2T: must be 2M to 1T");
	/* 2^64 bytes, 2^64 + 2^21 bytes, 2^64 units. */
	refuse("--memory 16777216T",
	       "--memory: size=16777216T: must be 2M to 1T");
	refuse("--memory 17592186044418M",
	       "--memory: size=17592186044418M: must be 2M to 1T");
	refuse("--memory 18446744073709551616K",
	       "--memory: size=18446744073709551616K: must be 2M to 1T");
	refuse("--memory 5M", "--memory: size=5M: must be a multiple of 2M");
	refuse("--memory 5X", "--memory: size=5X: must be a number with K, M, "
			      "G or T (none: MiB)");
	refuse("--memory -4", "--memory: size=-4: must be a number with K, M, "
			      "G or T (none: MiB)");
	refuse("--memory 4MB", "--memory: size=4MB: must be a number with K, "
			       "M, G or T (none: MiB)");
}

static void bad_values(void **state)
{
	(void)state;
	refuse("--cpus 65", "--cpus 65: must be 1 to 64");
	refuse("--cpus 0", "--cpus 0: must be 1 to 64");
	refuse("--cpus +1", "--cpus +1: must be 1 to 64");
	refuse("--cpus 1x", "--cpus 1x: must be 1 to 64");
	refuse("--cpus=", "--cpus : must be 1 to 64");
	refuse("--cpus 18446744073709551617",
	       "--cpus 18446744073709551617: must be 1 to 64");
	refuse("--module maybe", "--module maybe: must be auto, on or off");
	refuse("--console tty",
	       "--console tty: must be stdio, pty, file:PATH, unix:PATH, socket or none");
	refuse("--console file:",
	       "--console file:: must be stdio, pty, file:PATH, unix:PATH, socket or none");
	refuse("--console stdi",
	       "--console stdi: must be stdio, pty, file:PATH, unix:PATH, socket or none");
	refuse("--memory backend=2m",
	       "--memory: backend=2m: must be auto, vireo, memfd or hugetlb");
	refuse("--memory huge=2", "--memory: huge=2: must be on or off");
	refuse("--memory node=-1", "--memory: node=-1: must be 0 to 1023");
	refuse("--memory node=1024", "--memory: node=1024: must be 0 to 1023");
	refuse("--memory 1G,node", "--memory: node: needs a value");
	refuse("--memory prefault=0",
	       "--memory: prefault=0: must be on, off or 1 to 64");
	refuse("--memory prefault=65",
	       "--memory: prefault=65: must be on, off or 1 to 64");
	refuse("--memory prefault=yes",
	       "--memory: prefault=yes: must be on, off or 1 to 64");
	refuse("--kernel=", "--kernel : must not be empty");
	refuse("--name 01234567890123456789012345678901",
	       "--name 01234567890123456789012345678901: must have at most 31 "
	       "characters");
	refuse("--name \xc3\xa9", "--name \xc3\xa9: must be printable ASCII");
	refuse("--uuid 01234567-89ab-cdef-0123-456789abcdeg",
	       "--uuid 01234567-89ab-cdef-0123-456789abcdeg: must be a UUID: "
	       "hexadecimal digits, 8-4-4-4-12");
	refuse("--uuid 01234567-89ab-cdef-0123-456789abcdef0",
	       "--uuid 01234567-89ab-cdef-0123-456789abcdef0: must be a UUID: "
	       "hexadecimal digits, 8-4-4-4-12");
	refuse("--uuid 01234567-89ab-cdef-0123456789abcdef",
	       "--uuid 01234567-89ab-cdef-0123456789abcdef: must be a UUID: "
	       "hexadecimal digits, 8-4-4-4-12");
	refuse("--uuid=", "--uuid : must be a UUID: hexadecimal digits, "
			  "8-4-4-4-12");
	refuse("--disk a,serial=012345678901234567890",
	       "--disk: serial=012345678901234567890: must have at most 20 "
	       "characters");
}

static void bad_usage(void **state)
{
	(void)state;
	refuse("", "--kernel FILE is missing");
	refuse("--kernel", "--kernel: needs a value");
	refuse("--kernel --cpus 2", "--kernel: needs a value");
	refuse("--disk", "--disk: needs a value");
	refuse("--memory --disk x", "--memory: needs a value");
	refuse("--config", "--config: needs a value");
	refuse("kernel", "kernel: not an option (see vireo run --help)");
	refuse("-k x", "-k: not an option (see vireo run --help)");
	refuse("--kernel a --kernel b", "--kernel: given twice");
	refuse("--rng --rng", "--rng: given twice");
	refuse("--disk a,ro,ro", "--disk: ro: given twice");
	refuse("--disk a,path=b", "--disk: path: given twice");
	refuse("--disk serial=x", "--disk: path FILE is missing");
	refuse("--disk a,", "--disk: empty option (a comma in a name is ,,)");
	refuse("--disk a,serial", "--disk: serial: needs a value");
	refuse("--kernel k --virtio-console stdio",
	       "--virtio-console stdio: the serial port has the terminal (add "
	       "--console none)");
}

static void nearest_name(void **state)
{
	(void)state;
	refuse("--kernle x",
	       "unknown option --kernle (did you mean --kernel?)");
	refuse("--mem 1G", "unknown option --mem (did you mean --memory?)");
	refuse("--rog /r", "unknown option --rog (did you mean --rng?)");
	refuse("--hlep", "unknown option --hlep (did you mean --help?)");
	refuse("--disks=a", "unknown option --disks (did you mean --disk?)");
	refuse("--xyzzy 1", "unknown option --xyzzy (see vireo run --help)");
	refuse("--", "unknown option -- (see vireo run --help)");
	refuse("--disk a,raedonly",
	       "--disk: unknown option raedonly (see vireo run --help)");
	refuse("--disk a,pth=b",
	       "--disk: unknown option pth (did you mean path?)");
	refuse("--memory 1G,nod=1",
	       "--memory: unknown option nod (did you mean node?)");
	refuse("--kernelkernelkernelkernelkernelkernel x",
	       "unknown option --kernelkernelkernelkernel (see vireo run "
	       "--help)");
}

static void commas(void **state)
{
	struct parsed p;

	(void)state;
	parse_ok(&p, "--kernel a,,b --disk a,,b,ro --disk ,,,,,serial=,,");
	assert_string_equal(p.cfg.kernel, "a,,b");
	assert_string_equal(p.cfg.disks[0].path, "a,b");
	assert_true(p.cfg.disks[0].readonly);
	assert_string_equal(p.cfg.disks[1].path, ",,");
	assert_string_equal(p.cfg.disks[1].serial, ",");
	done(&p);
}

static void disk_limit(void **state)
{
	char line[512] = "--kernel k";
	struct parsed p;
	int i;

	(void)state;
	for (i = 0; i < CONFIG_MAX_DISKS; i++)
		strcat(line, " --disk d");
	parse_ok(&p, line);
	assert_int_equal(p.cfg.nr_disks, CONFIG_MAX_DISKS);
	done(&p);
	strcat(line, " --disk d");
	refuse(line, "--disk: must be given at most 16 times");
}

static void nets(void **state)
{
	struct parsed p;

	(void)state;
	parse_ok(&p, "--kernel k --net user,hostfwd=tcp::1-:2+udp::3-:4 "
		     "--net tap,name=t0,queues=4,mtu=1400,iops=5,bps=1M "
		     "--net link,path=/s,mac=02:00:00:00:00:01,iothreads=0 "
		     "--net tap,fd=7 --net isolated=on");
	assert_int_equal(p.cfg.nr_nets, 5);
	assert_int_equal(p.cfg.nets[0].kind, NET_USER);
	assert_string_equal(p.cfg.nets[0].hostfwd, "tcp::1-:2+udp::3-:4");
	assert_int_equal(p.cfg.nets[0].queues, 1);
	assert_int_equal(p.cfg.nets[0].iothreads, 1);
	assert_int_equal(p.cfg.nets[1].kind, NET_TAP);
	assert_string_equal(p.cfg.nets[1].name, "t0");
	assert_int_equal(p.cfg.nets[1].queues, 4);
	assert_int_equal(p.cfg.nets[1].mtu, 1400);
	assert_int_equal(p.cfg.nets[1].bps, MIB);
	assert_false(p.cfg.nets[1].has_fd);
	assert_int_equal(p.cfg.nets[2].kind, NET_LINK);
	assert_int_equal(p.cfg.nets[2].iothreads, 0);
	assert_true(p.cfg.nets[3].has_fd);
	assert_int_equal(p.cfg.nets[3].fd, 7);
	done(&p);
	refuse("--kernel k --net link", "--net: path is missing");
	refuse("--kernel k --net path=/s",
	       "--net: path is of link, passt and vhost-user only");
	refuse("--kernel k --net name=x", "--net: name and fd are of tap only");
	refuse("--kernel k --net tap,name=x,fd=3",
	       "--net: tap has a name or an fd, not both");
	refuse("--kernel k --net tap,fd=3,queues=2",
	       "--net: queues=2: only tap by name and vhost-user have more than one");
	refuse("--kernel k --net passt,path=/s,queues=2",
	       "--net: queues=2: only tap by name and vhost-user have more than one");
	refuse("--kernel k --net tap,subnet=10.0.0.0/24",
	       "--net: hostfwd, subnet and isolated are of user only");
	refuse("--kernel k --net user,mac=52:54:00:12:34",
	       "--net: mac=52:54:00:12:34 must be as 52:54:00:12:34:56");
	refuse("--kernel k --net user,mac=53:54:00:12:34:56",
	       "--net: mac=53:54:00:12:34:56 is of a group, not of a card");
}

static void of_others(void **state)
{
	struct parsed p;

	(void)state;
	parse_ok(&p,
		 "--kernel k --vhost-user-blk /s,queues=3 --fs home,path=/f "
		 "--fs tag=t,path=/g --vsock 7,vhost=on "
		 "--net vhost-user,path=/n,queues=2 --net tap,vhost=off");
	assert_int_equal(p.cfg.nr_vhost_blks, 1);
	assert_string_equal(p.cfg.vhost_blks[0].path, "/s");
	assert_int_equal(p.cfg.vhost_blks[0].queues, 3);
	assert_int_equal(p.cfg.nr_fs, 2);
	assert_string_equal(p.cfg.fs[0].tag, "home");
	assert_string_equal(p.cfg.fs[1].path, "/g");
	assert_int_equal(p.cfg.fs[0].queues, 1);
	assert_true(p.cfg.vsock.present);
	assert_int_equal(p.cfg.vsock.cid, 7);
	assert_int_equal(p.cfg.vsock.vhost, VHOST_ON);
	assert_int_equal(p.cfg.nets[0].kind, NET_VHOST_USER);
	assert_int_equal(p.cfg.nets[0].vhost, VHOST_AUTO);
	assert_int_equal(p.cfg.nets[1].vhost, VHOST_OFF);
	done(&p);
	refuse("--kernel k --fs home", "--fs: path SOCKET is missing");
	refuse("--kernel k --vsock 2",
	       "--vsock: cid=2: must be 3 to 4294967294");
	refuse("--kernel k --net vhost-user", "--net: path is missing");
}

static void optional_value(void **state)
{
	struct parsed p;

	(void)state;
	parse_ok(&p, "--rng --kernel k");
	assert_true(p.cfg.rng.present);
	assert_string_equal(p.cfg.rng.source, "/dev/urandom");
	done(&p);
	parse_ok(&p, "--kernel k --rng /dev/hwrng");
	assert_string_equal(p.cfg.rng.source, "/dev/hwrng");
	done(&p);
}

/* ---- JSON ---- */

struct file {
	char path[32];
};

static void write_file(struct file *f, const char *text)
{
	size_t len = strlen(text);
	int fd;

	strcpy(f->path, "/tmp/options-XXXXXX");
	fd = mkstemp(f->path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, len), len);
	close(fd);
}

static void refuse_json(const char *text, const char *message)
{
	struct error err = { 0 };
	struct config cfg;
	struct file f;
	size_t len;

	write_file(&f, text);
	len = strlen(f.path);
	assert_int_equal(options_defaults(&cfg, &err), 0);
	assert_int_equal(options_load_json(&cfg, f.path, &err), -EINVAL);
	unlink(f.path);
	assert_memory_equal(err.text, f.path, len);
	assert_string_equal(err.text + len, message);
	config_free(&cfg);
}

static const char full_json[] =
	"{ \"name\": \"n\", \"kernel\": \"k\", \"initrd\": \"i\","
	"  \"append\": \"a b\", \"cpus\": 4, \"console\": \"pty\","
	"  \"memory\": { \"size\": \"1G\", \"backend\": \"memfd\", \"node\": 3,"
	"                \"prefault\": true },"
	"  \"disk\": [ { \"path\": \"a,b\", \"ro\": true, \"serial\": \"S\" },"
	"              \"c,d\" ],"
	"  \"rng\": { \"source\": \"/r\" }, \"virtio-console\": \"none\","
	"  \"module\": \"on\", \"log\": \"info\", \"on-crash\": \"reset\","
	"  \"gdb\": { \"listen\": \"tcp:127.0.0.1:1\", \"wait\": true } }";

static void json_all(void **state)
{
	struct error err = { 0 };
	struct config cfg;
	struct file f;

	(void)state;
	write_file(&f, full_json);
	assert_int_equal(options_defaults(&cfg, &err), 0);
	assert_int_equal(options_load_json(&cfg, f.path, &err), 0);
	unlink(f.path);
	assert_string_equal(cfg.name, "n");
	assert_string_equal(cfg.kernel, "k");
	assert_string_equal(cfg.initrd, "i");
	assert_string_equal(cfg.append, "a b");
	assert_int_equal(cfg.cpus, 4);
	assert_string_equal(cfg.console, "pty");
	assert_int_equal(cfg.memory.size, 1024 * MIB);
	assert_int_equal(cfg.memory.kind, MEM_MEMFD);
	assert_true(cfg.memory.has_node);
	assert_int_equal(cfg.memory.node, 3);
	assert_int_equal(cfg.memory.prefault, UINT_MAX);
	assert_int_equal(cfg.nr_disks, 2);
	assert_string_equal(cfg.disks[0].path, "a,b");
	assert_true(cfg.disks[0].readonly);
	assert_string_equal(cfg.disks[0].serial, "S");
	assert_string_equal(cfg.disks[1].path, "c,d");
	assert_false(cfg.disks[1].readonly);
	assert_true(cfg.rng.present);
	assert_string_equal(cfg.rng.source, "/r");
	assert_string_equal(cfg.vcon.target, "none");
	assert_string_equal(cfg.module, "on");
	assert_string_equal(cfg.log, "info");
	assert_int_equal(cfg.on_crash, ON_CRASH_RESET);
	assert_string_equal(cfg.gdb.target, "tcp:127.0.0.1:1");
	assert_true(cfg.gdb.wait);
	config_free(&cfg);
	assert_null(cfg.kernel);
	config_free(&cfg);
}

static void prefault(void **state)
{
	static const struct {
		const char *line;
		unsigned int threads;
	} good[] = { { "64M,prefault", UINT_MAX },
		     { "64M,prefault=on", UINT_MAX },
		     { "64M,prefault=off", 0 },
		     { "prefault=1", 1 },
		     { "64M,prefault=64", 64 } };
	struct parsed p;
	char line[64];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		snprintf(line, sizeof(line), "--kernel k --memory %s",
			 good[i].line);
		parse_ok(&p, line);
		assert_int_equal(p.cfg.memory.prefault, good[i].threads);
		done(&p);
	}
}

static void json_short_forms(void **state)
{
	struct error err = { 0 };
	struct config cfg;
	struct file f;

	(void)state;
	write_file(&f, "{ \"memory\": 64, \"disk\": \"a\", \"rng\": {} }");
	assert_int_equal(options_defaults(&cfg, &err), 0);
	assert_int_equal(options_load_json(&cfg, f.path, &err), 0);
	unlink(f.path);
	assert_int_equal(cfg.memory.size, 64 * MIB);
	assert_int_equal(cfg.nr_disks, 1);
	assert_string_equal(cfg.disks[0].path, "a");
	assert_true(cfg.rng.present);
	config_free(&cfg);
}

/* The command line wins, on whichever side of --config it stands. */
static void override(void **state)
{
	struct parsed p;
	struct file f;
	char line[256];

	(void)state;
	write_file(&f, full_json);
	snprintf(line, sizeof(line),
		 "--disk x --memory 64 --config %s --cpus 2 --disk y --name m",
		 f.path);
	parse_ok(&p, line);
	unlink(f.path);
	assert_string_equal(p.cfg.kernel, "k");
	assert_string_equal(p.cfg.name, "m");
	assert_int_equal(p.cfg.cpus, 2);
	assert_int_equal(p.cfg.memory.size, 64 * MIB);
	assert_int_equal(p.cfg.memory.kind, MEM_MEMFD);
	assert_int_equal(p.cfg.nr_disks, 2);
	assert_string_equal(p.cfg.disks[0].path, "x");
	assert_false(p.cfg.disks[0].readonly);
	assert_null(p.cfg.disks[0].serial);
	assert_string_equal(p.cfg.disks[1].path, "y");
	done(&p);
}

static void json_refused(void **state)
{
	struct parsed p;

	(void)state;
	refuse_json("[1]", ": must be one JSON object");
	refuse_json("{\n\n", ":3: string or '}' expected near end of file");
	refuse_json("{ \"kernle\": 1 }",
		    ": unknown key kernle (did you mean kernel?)");
	refuse_json("{ \"config\": \"x\" }",
		    ": unknown key config (see vireo run --help)");
	refuse_json("{ \"help\": \"x\" }",
		    ": unknown key help (see vireo run --help)");
	refuse_json("{ \"cpus\": 65 }", ": cpus 65: must be 1 to 64");
	refuse_json("{ \"cpus\": -1 }", ": cpus -1: must be 1 to 64");
	refuse_json("{ \"cpus\": 1.5 }", ": cpus: must be a number");
	refuse_json("{ \"cpus\": [] }", ": cpus: must be a number");
	refuse_json("{ \"kernel\": 1 }", ": kernel: must be a string");
	refuse_json("{ \"kernel\": null }", ": kernel: must be a string");
	refuse_json("{ \"memory\": [] }",
		    ": memory: size: must be a number or a string");
	refuse_json("{ \"memory\": { \"backend\": \"x\" } }",
		    ": memory: backend x: must be auto, vireo, memfd or "
		    "hugetlb");
	refuse_json("{ \"memory\": { \"prefault\": [] } }",
		    ": memory: prefault: must be true, false or a number");
	refuse_json("{ \"memory\": { \"node\": true } }",
		    ": memory: node: must be a number");
	refuse_json("{ \"disk\": [ \"a\", { \"ro\": true } ] }",
		    ": disk: path FILE is missing");
	refuse_json("{ \"disk\": { \"path\": \"a\", \"ro\": 1 } }",
		    ": disk: ro: must be true or false");
	refuse_json("{ \"disk\": { \"paht\": \"a\" } }",
		    ": disk: unknown key paht (did you mean path?)");
	refuse_json("{ \"cpus\": 1, \"cpus\": 2 }",
		    ":1: duplicate object key near '\"cpus\"'");

	parse(&p, "--config /nonexistent/vm.json");
	assert_int_equal(p.ret, -ENOENT);
	assert_string_equal(
		p.err.text,
		"cannot open /nonexistent/vm.json: No such file or directory");
	done(&p);
}

/* ---- help ---- */

static void help(void **state)
{
	char *text = NULL, *line, *save;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	(void)state;
	assert_non_null(out);
	options_help(out);
	assert_int_equal(fclose(out), 0);
	assert_non_null(strstr(text, "\nMachine:\n"));
	assert_non_null(strstr(text,
			       "--memory [size=]SIZE[,backend=KIND][,huge]"
			       "[,node=N][,prefault=N]\n"));
	assert_non_null(strstr(text, "--disk [path=]FILE[,ro][,serial=TEXT]"));
	assert_non_null(strstr(text, "--net [kind=]KIND[,mac=ADDRESS]"));
	assert_non_null(strstr(text, "--rng [[source=]FILE]"));
	assert_non_null(strstr(text, "(default 512M)"));
	for (line = strtok_r(text, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save))
		assert_true(strlen(line) < 80);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults),
		cmocka_unit_test(all_options),
		cmocka_unit_test(sizes),
		cmocka_unit_test(bad_sizes),
		cmocka_unit_test(bad_values),
		cmocka_unit_test(bad_usage),
		cmocka_unit_test(nearest_name),
		cmocka_unit_test(commas),
		cmocka_unit_test(disk_limit),
		cmocka_unit_test(nets),
		cmocka_unit_test(of_others),
		cmocka_unit_test(optional_value),
		cmocka_unit_test(prefault),
		cmocka_unit_test(json_all),
		cmocka_unit_test(json_short_forms),
		cmocka_unit_test(override),
		cmocka_unit_test(json_refused),
		cmocka_unit_test(help),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
