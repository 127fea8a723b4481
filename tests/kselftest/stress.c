// SPDX-License-Identifier: GPL-2.0
/*
 * Many guests that come and go, and a module that comes and goes with them.
 * STRESS_LOADS in the environment is how often (default 12).
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kselftest_harness.h"

#include "common.h"
#include "guest.h"

#define PORT 0x500
#define VMS 32
#define READS 1000
#define WRITES 300

/* A process with a guest; it talks by one byte each way. */
struct child {
	pid_t pid;
	int to, from;
};

/* In the child: a guest with a region of a register that reads and stores. */
static struct guest *open_guest(void)
{
	struct vireo_rule rule = {
		.type = VIREO_RULE_SHADOW, .flags = VIREO_RULE_WRITE_THROUGH,
		.len = 4,
	};
	struct vireo_io_add add = io_template(VIREO_BUS_PIO, PORT, 4, &rule, 1);
	struct guest *g = calloc(1, sizeof(*g));
	int dev, vm;

	if (!g || guest_create(g, 1))
		_exit(1);
	dev = vireo_open();
	vm = vireo_vm_open(dev, g->vm, "stress");
	if (io_add(vm, &add) < 0 || guest_attach(g, dev, vm))
		_exit(2);
	return g;
}

static void say(int fd)
{
	if (write(fd, "", 1) != 1)
		_exit(3);
}

static bool hear(int fd)
{
	char c;

	return read(fd, &c, 1) == 1;
}

/* Accesses without end, from when it has said so. */
static void run_endless(int to, int from)
{
	struct guest *g = open_guest();

	(void)from;
	guest_add(g, 0, GUEST_IN, 1, PORT, 0)->repeat = 100;
	guest_add(g, 0, GUEST_OUT, 1, PORT, 0)->repeat = 100;
	guest_add(g, 0, GUEST_AGAIN, 1, 0, 0);
	say(to);
	guest_run(g, 0);
	_exit(4);
}

/* So many accesses as are counted, once told; then on, with none. */
static void run_counted(int to, int from)
{
	struct guest *g = open_guest();

	guest_add(g, 0, GUEST_IN, 1, PORT, 0)->repeat = READS;
	guest_add(g, 0, GUEST_OUT, 1, PORT, 0)->repeat = WRITES;
	say(to);
	if (!hear(from) || guest_run(g, 0))
		_exit(4);
	say(to);
	guest_reset(g);
	guest_add(g, 0, GUEST_AGAIN, 1, 0, 0);
	guest_run(g, 0);
	_exit(5);
}

static int child_start(struct child *c, void (*fn)(int to, int from))
{
	int up[2], down[2];

	if (pipe(up) || pipe(down))
		return -errno;
	c->pid = fork();
	if (!c->pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(up[0]);
		close(down[1]);
		fn(up[1], down[0]);
	}
	close(up[1]);
	close(down[0]);
	c->from = up[0];
	c->to = down[1];
	return c->pid < 0 ? -errno : 0;
}

static int child_kill(struct child *c)
{
	int status;

	close(c->to);
	close(c->from);
	if (kill(c->pid, SIGKILL) || waitpid(c->pid, &status, 0) != c->pid)
		return -errno;
	return WIFSIGNALED(status) ? 0 : -WEXITSTATUS(status);
}

/* NULL, or why there cannot be a guest with a region. */
static const char *missing(void)
{
	struct vireo_info info = { .size = sizeof(info) };
	int dev = vireo_open(), kvm = kvm_vm_open();
	const char *why = NULL;

	if (kvm < 0)
		why = "no KVM";
	else if (dev < 0 || IOCTL(dev, VIREO_INFO, &info))
		why = "no /dev/vireo";
	else if (info.exit_path == VIREO_EXIT_PATH_OFF)
		why = "the exit path is off";
	close(kvm);
	close(dev);
	return why;
}

FIXTURE(stress)
{
};

FIXTURE_SETUP(stress)
{
}

FIXTURE_TEARDOWN(stress)
{
}

TEST_F_TIMEOUT(stress, loads_under_guests_that_are_killed, 1200)
{
	const char *loads = getenv("STRESS_LOADS"), *why = missing();
	int i, n = loads ? atoi(loads) : 12;
	struct child c;

	if (why)
		SKIP(return, "%s", why);
	if (!getenv("VIREO_KO"))
		SKIP(return, "VIREO_KO is not set");
	if (module_refcount() != 0)
		SKIP(return, "the module is in use by others");

	for (i = 0; i < n; i++) {
		ASSERT_EQ(module_unload_soon(), 0);
		ASSERT_EQ(module_load(NULL), 0);
		ASSERT_EQ(child_start(&c, run_endless), 0);
		ASSERT_TRUE(hear(c.from));
		EXPECT_EQ(module_unload(), -EWOULDBLOCK);
		EXPECT_GT(module_refcount(), 0);
		ASSERT_EQ(child_kill(&c), 0);
	}
	ASSERT_EQ(module_unload_soon(), 0);
	ASSERT_EQ(module_load(NULL), 0);
	/* A module that was just loaded has counted nothing. */
	EXPECT_EQ(stat_value(STATS_ROOT "/exits", "served"), 0);
}

TEST_F_TIMEOUT(stress, many_guests_at_once, 300)
{
	const char *exits = STATS_ROOT "/exits", *why = missing();
	long long reads, writes, passed;
	struct child c[VMS];
	char dir[64];
	int i;

	if (why)
		SKIP(return, "%s", why);
	reads = stat_value(exits, "pio_read_served");
	writes = stat_value(exits, "pio_write_served");
	passed = stat_value(exits, "passed");
	ASSERT_GE(reads, 0);

	for (i = 0; i < VMS; i++)
		ASSERT_EQ(child_start(&c[i], run_counted), 0);
	for (i = 0; i < VMS; i++)
		ASSERT_TRUE(hear(c[i].from));
	for (i = 0; i < VMS; i++)
		ASSERT_EQ(write(c[i].to, "", 1), 1);
	for (i = 0; i < VMS; i++)
		ASSERT_TRUE(hear(c[i].from));

	/* All still run. */
	for (i = 0; i < VMS; i++) {
		ASSERT_TRUE(stats_dir(c[i].pid, dir, sizeof(dir)));
		EXPECT_EQ(region_stat(dir, "test", "reads"), READS);
		EXPECT_EQ(region_stat(dir, "test", "writes"), WRITES);
	}
	for (i = 0; i < VMS; i++)
		EXPECT_EQ(child_kill(&c[i]), 0);
	for (i = 0; i < VMS; i++)
		EXPECT_TRUE(vm_gone(c[i].pid));

	/* What they counted outlives them. */
	EXPECT_EQ(stat_value(exits, "pio_read_served") - reads, VMS * READS);
	EXPECT_EQ(stat_value(exits, "pio_write_served") - writes,
		  VMS * WRITES);
	EXPECT_EQ(stat_value(exits, "passed") - passed, 0);
}

TEST_HARNESS_MAIN
