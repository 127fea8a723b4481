// SPDX-License-Identifier: GPL-2.0
/*
 * Every allocation fails once: the Nth of a call, for N = 1, 2, ... until the
 * call has no Nth.  A call that fails says -ENOMEM and leaves nothing behind;
 * what must not fail (removing, closing) does not.
 *
 * Needs a kernel with fault injection (tools/lab --kernel debug); its other
 * checkers see what goes wrong silently.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kselftest_harness.h"

#include "common.h"
#include "guest.h"

#define PORT 0x500
#define STRIDE 0x10
#define RING 64
/* No call has that many allocations. */
#define MAX_NTH 2000

/* ---- failing ------------------------------------------------------------ */

/* Which allocations may fail; no effect on who does not ask for it. */
static bool set_up_injection(void)
{
	static const char *const settings[][2] = {
		{ "failslab/ignore-gfp-wait", "N" },
		{ "failslab/verbose", "0" },
		{ "fail_page_alloc/ignore-gfp-wait", "N" },
		{ "fail_page_alloc/min-order", "0" },
		{ "fail_page_alloc/verbose", "0" },
	};
	bool ok = true;
	char path[80];
	int fd;

	for (size_t i = 0; i < ARRAY_LEN(settings); i++) {
		snprintf(path, sizeof(path), "/sys/kernel/debug/%s",
			 settings[i][0]);
		fd = open(path, O_WRONLY);
		ok &= write(fd, settings[i][1], 1) == 1;
		close(fd);
	}
	return ok;
}

/* The nth allocation of this thread from now on fails. */
static void arm(int fail, int nth)
{
	char s[16];
	int len = snprintf(s, sizeof(s), "%d", nth);

	if (pwrite(fail, s, len, 0) != len)
		abort();
}

/* No more; whether one has failed. */
static bool disarm(int fail)
{
	char s[16] = "";

	if (pread(fail, s, sizeof(s) - 1, 0) < 1)
		abort();
	arm(fail, 0);
	return !atoi(s);
}

/* ---- what fails --------------------------------------------------------- */

/* What a test works with, in memory of its own. */
struct host {
	struct guest g;
	int fail;
	int dev;
	int vm;
	int path;
	int event;
	int id[3];
	struct area area;
	char dir[64];
	unsigned char record[16384];
};

static int add_region(struct host *h, int i)
{
	struct vireo_rule rules[] = {
		{ .type = VIREO_RULE_SHADOW, .len = 4 },
		{ .type = VIREO_RULE_EVENT, .len = 4, .mask = 0xff, .value = 7,
		  .fd = h->event },
		{ .type = VIREO_RULE_POST, .len = 4 },
	};
	struct vireo_io_add add = io_template(VIREO_BUS_PIO, PORT + i * STRIDE,
					      4, rules, ARRAY_LEN(rules));

	add.ring_entries = RING;
	add.ring_fd = h->event;
	h->id[i] = io_add(h->vm, &add);
	return h->id[i];
}

/* The calls: 0, a number, or -errno; and what undoes them. */
static int create(struct host *h)
{
	return vireo_vm_open(h->dev, h->g.vm, "failslab");
}

static void close_created(struct host *h, int fd)
{
	(void)h;
	close(fd);
}

static int add(struct host *h)
{
	return add_region(h, 1);
}

static void del_added(struct host *h, int id)
{
	io_del(h->vm, id);
}

static int map(struct host *h)
{
	return area_map(h->vm, h->id[1], RING, &h->area);
}

static void unmap(struct host *h, int unused)
{
	(void)unused;
	area_unmap(&h->area);
}

static int del(struct host *h)
{
	return io_del(h->vm, h->id[1]);
}

static void add_again(struct host *h, int unused)
{
	(void)unused;
	add_region(h, 1);
}

static int close_vm(struct host *h)
{
	return close(h->vm) ? -errno : 0;
}

/* Where the module runs the vCPU, it does so for one VM object. */
static void detach(struct host *h)
{
	if (h->g.runner[0] != h->g.vcpu[0])
		close(h->g.runner[0]);
	h->g.runner[0] = h->g.vcpu[0];
}

static int attach(struct host *h)
{
	detach(h);
	return guest_attach(&h->g, h->dev, h->vm);
}

static void open_again(struct host *h, int unused)
{
	(void)unused;
	h->vm = create(h);
	attach(h);
	for (int i = 0; i < 3; i++)
		add_region(h, i);
}

static int create_vcpu(struct host *h)
{
	return guest_vcpu_create(&h->g, h->vm, 0);
}

static int stats(struct host *h)
{
	struct vireo_stats arg = {
		.size = sizeof(arg), .flags = VIREO_STATS_RESET,
		.len = sizeof(h->record), .buf = (uintptr_t)h->record,
	};

	return IOCTL(h->vm, VIREO_STATS, &arg);
}

/* A reset of a region that was never reset allocates. */
static void renew_region(struct host *h, int unused)
{
	(void)unused;
	io_del(h->vm, h->id[1]);
	add_region(h, 1);
}

static int read_file(const char *path)
{
	char buf[512];
	int fd, ret;

	fd = open(path, O_RDONLY);
	if (fd < 0)
		return -errno;
	do {
		ret = read(fd, buf, sizeof(buf));
	} while (ret > 0);
	ret = ret < 0 ? -errno : 0;
	close(fd);
	return ret;
}

/* All files of the VM; the first that cannot be read. */
static int read_files(struct host *h)
{
	static const char *const files[] = {
		"info", "exits", "regions", "latency", "vcpu0/exits",
		"vcpu0/latency",
	};
	char path[96];
	int ret = 0;

	for (size_t i = 0; !ret && i < ARRAY_LEN(files); i++) {
		snprintf(path, sizeof(path), "%s/%s", h->dir, files[i]);
		ret = read_file(path);
	}
	return ret ? ret : read_file(STATS_ROOT "/exits");
}

static void nothing(struct host *h, int unused)
{
	(void)h;
	(void)unused;
}

FIXTURE(failslab)
{
	struct host *h;
	/* How often an allocation failed, and how often the call did. */
	int failures;
	int refusals;
};

FIXTURE_SETUP(failslab)
{
	struct host *h;
	int ret;

	h = self->h = mmap(NULL, sizeof(*h), PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	h->fail = open("/proc/thread-self/fail-nth", O_RDWR);
	if (h->fail < 0)
		SKIP_SETUP("no /proc/self/fail-nth in this kernel");
	ASSERT_TRUE(set_up_injection());
	ret = guest_create(&h->g, 1);
	if (ret)
		SKIP_SETUP("no guest: %s", strerror(-ret));
	h->dev = vireo_open();
	ASSERT_GE(h->dev, 0);
	h->path = exit_path(h->dev);
	if (h->path == VIREO_EXIT_PATH_OFF)
		SKIP_SETUP("the exit path is off");
	h->event = eventfd(0, EFD_NONBLOCK);
	h->vm = create(h);
	ASSERT_GE(h->vm, 0);
	ASSERT_EQ(attach(h), 0);
	for (int i = 0; i < 3; i++)
		ASSERT_GE(add_region(h, i), 0);
}

FIXTURE_TEARDOWN(failslab)
{
	close(self->h->vm);
	guest_destroy(&self->h->g);
}

/* What each access becomes, with the regions that are there. */
#define EXPECT_SERVED(i, want) do {					\
	bool passed_;							\
	guest_access(&self->h->g, GUEST_IN, 1, PORT + (i) * STRIDE, 0,	\
		     &passed_);						\
	EXPECT_EQ(!passed_, want) { TH_LOG("region %d", i); }		\
} while (0)

#define EXPECT_ALL_SERVED() do {					\
	for (int i_ = 0; i_ < 3; i_++)					\
		EXPECT_SERVED(i_, true);				\
} while (0)

/*
 * Lets each allocation of a call fail once.  Some are the kernel's own, for its
 * slabs and checkers, and not in each call: one of ours is passed over at times.
 */
#define FAIL_EACH(call, undo) do {					\
	bool failed_ = true;						\
	int ret_;							\
	self->failures = self->refusals = 0;				\
	for (int n_ = 1; failed_ && n_ < MAX_NTH; n_++) {		\
		arm(self->h->fail, n_);					\
		ret_ = call(self->h);					\
		failed_ = disarm(self->h->fail);			\
		self->failures += failed_;				\
		if (ret_ < 0) {						\
			ASSERT_TRUE(failed_) { TH_LOG("allocation %d", n_); } \
			ASSERT_EQ(ret_, -ENOMEM) { TH_LOG("allocation %d", n_); } \
			self->refusals++;				\
		} else {						\
			undo(self->h, ret_);				\
		}							\
	}								\
	ASSERT_FALSE(failed_);						\
	TH_LOG(#call ": %d allocations failed, %d calls", self->failures, \
	       self->refusals);						\
} while (0)

TEST_F_TIMEOUT(failslab, create, 300)
{
	char before[64], after[64];

	/* Nothing is left of what failed: ours is the only VM. */
	ASSERT_EQ(close_vm(self->h), 0);
	FAIL_EACH(create, close_created);
	EXPECT_GE(self->refusals, 1);
	EXPECT_FALSE(stats_dir(getpid(), before, sizeof(before)));
	open_again(self->h, 0);
	EXPECT_TRUE(stats_dir(getpid(), after, sizeof(after)));
	EXPECT_ALL_SERVED();
}

TEST_F_TIMEOUT(failslab, add, 300)
{
	char dir[64], info[80];

	ASSERT_EQ(del(self->h), 0);
	FAIL_EACH(add, del_added);
	EXPECT_GE(self->refusals, 4);
	ASSERT_TRUE(stats_dir(getpid(), dir, sizeof(dir)));
	snprintf(info, sizeof(info), "%s/info", dir);
	EXPECT_EQ(stat_value(info, "regions"), 2);
	EXPECT_SERVED(1, false);
	add_again(self->h, 0);
	EXPECT_ALL_SERVED();
}

TEST_F_TIMEOUT(failslab, map, 300)
{
	FAIL_EACH(map, unmap);
	EXPECT_GE(self->refusals, 1);
	ASSERT_EQ(map(self->h), 0);
	self->h->area.shadow[0] = 0x5a;
	EXPECT_EQ(guest_access(&self->h->g, GUEST_IN, 1, PORT + STRIDE, 0,
			       NULL), 0x5a);
	unmap(self->h, 0);
}

TEST_F_TIMEOUT(failslab, del, 300)
{
	bool bus = self->h->path == VIREO_EXIT_PATH_BUS;

	FAIL_EACH(del, add_again);
	/*
	 * KVM's array could not be copied; it went well nevertheless.  The run
	 * loop's table is changed in place.
	 */
	EXPECT_GE(self->failures, bus);
	EXPECT_EQ(self->refusals, 0);
	EXPECT_ALL_SERVED();

	arm(self->h->fail, 1);
	EXPECT_EQ(del(self->h), 0);
	EXPECT_GE(disarm(self->h->fail), bus);
	EXPECT_SERVED(0, true);
	EXPECT_SERVED(1, false);
	EXPECT_SERVED(2, true);
	EXPECT_EQ(del(self->h), -ENOENT);
}

TEST_F_TIMEOUT(failslab, close, 300)
{
	FAIL_EACH(close_vm, open_again);
	EXPECT_GE(self->failures, self->h->path == VIREO_EXIT_PATH_BUS);
	EXPECT_EQ(self->refusals, 0);
	EXPECT_ALL_SERVED();
}

TEST_F_TIMEOUT(failslab, vcpu, 300)
{
	/* The VM has the vCPU already if the module runs it. */
	detach(self->h);
	FAIL_EACH(create_vcpu, close_created);
	EXPECT_GE(self->refusals, 1);
	ASSERT_EQ(attach(self->h), 0);
	EXPECT_ALL_SERVED();
}

TEST_F_TIMEOUT(failslab, stats, 300)
{
	ASSERT_TRUE(stats_dir(getpid(), self->h->dir, sizeof(self->h->dir)));
	FAIL_EACH(stats, renew_region);
	EXPECT_GE(self->refusals, 1);
	FAIL_EACH(read_files, nothing);
	EXPECT_GE(self->refusals, 6);
	EXPECT_ALL_SERVED();
}

static int ioeventfd(struct host *h, uint32_t flags)
{
	struct kvm_ioeventfd arg = {
		.addr = 0x600, .len = 1, .fd = h->event,
		.flags = KVM_IOEVENTFD_FLAG_PIO | flags,
	};

	return IOCTL(h->g.vm, KVM_IOEVENTFD, &arg);
}

/* KVM itself drops a whole bus when it has no memory for a smaller one. */
TEST_F_TIMEOUT(failslab, kvm_drops_the_bus, 300)
{
	bool served = true;

	if (self->h->path != VIREO_EXIT_PATH_BUS)
		SKIP(return, "exits are not served on KVM's bus");
	for (int n = 1; served && n < 20; n++) {
		ASSERT_EQ(ioeventfd(self->h, 0), 0);
		arm(self->h->fail, n);
		ioeventfd(self->h, KVM_IOEVENTFD_FLAG_DEASSIGN);
		if (!disarm(self->h->fail))
			break;
		guest_access(&self->h->g, GUEST_IN, 1, PORT, 0, &served);
		served = !served;
	}
	ASSERT_FALSE(served);
	for (int i = 0; i < 3; i++)
		EXPECT_SERVED(i, false);
	/* There is no bus to add to; removing and closing just work. */
	EXPECT_EQ(io_del(self->h->vm, self->h->id[1]), 0);
	EXPECT_EQ(add_region(self->h, 1), -ENOMEM);
	EXPECT_EQ(close(self->h->vm), 0);
	self->h->vm = create(self->h);
	EXPECT_GE(self->h->vm, 0);
}

TEST_HARNESS_MAIN
