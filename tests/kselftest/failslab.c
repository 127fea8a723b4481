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
#include "inject.h"
#include "memory.h"
#include "ring.h"

#define PORT 0x500
#define STRIDE 0x10
#define RING 64
#define MEM_PAGES 1024
#define MEM_BYTES (MEM_PAGES * PAGE)
/* No call has that many allocations. */
#define MAX_NTH 2000

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
	/* A memory object, as long as one is tested. */
	int mem;
	uint8_t *p;
	uint64_t version;
	uint64_t bits[MEM_PAGES / 64];
	/* A queue's driver, likewise. */
	struct rig r;
	int disk_fd;
	int rang; /* 0, or why the guest could not go on to ring */
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
	struct dirty *d;
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
	ASSERT_TRUE(inject_set_up());
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
		inject_arm(self->h->fail, n_);					\
		ret_ = call(self->h);					\
		failed_ = inject_disarm(self->h->fail);			\
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

	inject_arm(self->h->fail, 1);
	EXPECT_EQ(del(self->h), 0);
	EXPECT_GE(inject_disarm(self->h->fail), bus);
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
		inject_arm(self->h->fail, n);
		ioeventfd(self->h, KVM_IOEVENTFD_FLAG_DEASSIGN);
		if (!inject_disarm(self->h->fail))
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

/* ---- memory objects ------------------------------------------------------ */

/* An object whose pages are all of a version, and mapped writable. */
static bool open_object(struct host *h)
{
	h->mem = mem_create(h->dev, MEM_BYTES, 0);
	h->p = mem_map(h->mem, MEM_BYTES);
	h->version++;
	for (size_t i = 0; h->p && i < MEM_PAGES; i++)
		page_fill(h->p + i * PAGE, i, h->version);
	return h->p;
}

static void close_object(struct host *h)
{
	munmap(h->p, MEM_BYTES);
	close(h->mem);
}

static int create_object(struct host *h)
{
	return mem_create(h->dev, MEM_BYTES, 0);
}

static int create_huge_object(struct host *h)
{
	return mem_create(h->dev, MEM_BYTES, VIREO_MEM_HUGE);
}

static int map_object(struct host *h)
{
	void *p = mmap(NULL, MEM_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED,
		       h->mem, 0);

	if (p == MAP_FAILED)
		return -errno;
	munmap(p, MEM_BYTES);
	return 0;
}

static int open_log(struct host *h)
{
	return mem_log(h->mem);
}

static int open_snapshot(struct host *h)
{
	return mem_snapshot(h->mem, 0);
}

static int tell_object(struct host *h)
{
	return mem_tell(h->vm, h->mem, 1ULL << 32, MEM_BYTES, 0);
}

static void untell_object(struct host *h, int unused)
{
	struct vireo_mem_map arg = {
		.size = sizeof(arg), .gpa = 1ULL << 32, .len = MEM_BYTES,
	};

	(void)unused;
	if (ioctl(h->vm, VIREO_MEM_UNMAP, &arg))
		abort();
}

static int prefault_object(struct host *h)
{
	return mem_prefault(h->mem, 0, 4 * PAGE);
}

static void discard_prefaulted(struct host *h, int unused)
{
	(void)unused;
	mem_discard(h->mem, 0, 4 * PAGE);
}

TEST_F_TIMEOUT(failslab, mem_create, 300)
{
	FAIL_EACH(create_object, close_created);
	EXPECT_GE(self->refusals, 3);
	FAIL_EACH(create_huge_object, close_created);
	EXPECT_GE(self->refusals, 3);
}

TEST_F_TIMEOUT(failslab, mem_map, 300)
{
	ASSERT_TRUE(open_object(self->h));
	FAIL_EACH(map_object, nothing);
	EXPECT_GE(self->refusals, 1);
	FAIL_EACH(tell_object, untell_object);
	EXPECT_GE(self->refusals, 1);
	EXPECT_TRUE(page_is(self->h->p + 3 * PAGE, 3, self->h->version));
	close_object(self->h);
}

TEST_F_TIMEOUT(failslab, mem_prefault, 300)
{
	ASSERT_TRUE(open_object(self->h));
	mem_discard(self->h->mem, 0, 4 * PAGE);
	/* The kernel tries again what it needs: it may never be refused. */
	FAIL_EACH(prefault_object, discard_prefaulted);
	EXPECT_TRUE(page_is(self->h->p + 9 * PAGE, 9, self->h->version));
	close_object(self->h);
}

/* A log that was not to be had, and one that is: it has what is written. */
TEST_F_TIMEOUT(failslab, mem_log, 300)
{
	int log;

	ASSERT_TRUE(open_object(self->h));
	FAIL_EACH(open_log, close_created);
	EXPECT_GE(self->refusals, 3);
	EXPECT_EQ(mem_stat(self->h->mem).logs, 0);
	log = mem_log(self->h->mem);
	self->h->p[5 * PAGE] ^= 1;
	EXPECT_TRUE(LOG_IS(log, MEM_BYTES, 5));
	close(log);
	close_object(self->h);
}

/* Nothing is lost by a fetch that fails. */
TEST_F_TIMEOUT(failslab, mem_fetch, 300)
{
	struct vireo_dirty_fetch f = {
		.size = sizeof(f), .len = MEM_BYTES,
		.bitmap = (uintptr_t)self->h->bits,
	};
	bool failed = true;
	int log, ret, n;

	ASSERT_TRUE(open_object(self->h));
	log = mem_log(self->h->mem);
	settle();
	for (n = 1; failed && n < MAX_NTH; n++) {
		for (size_t i = 0; i < MEM_PAGES; i += 2)
			self->h->p[i * PAGE] ^= 1;
		inject_arm(self->h->fail, n);
		ret = IOCTL(log, VIREO_DIRTY_FETCH, &f);
		failed = inject_disarm(self->h->fail);
		ASSERT_TRUE(!ret || (failed && ret == -ENOMEM));
		if (ret) {
			EXPECT_EQ(f.done, 0);
			ASSERT_EQ(IOCTL(log, VIREO_DIRTY_FETCH, &f), 0);
		}
		EXPECT_EQ(f.pages, MEM_PAGES / 2);
	}
	ASSERT_FALSE(failed);
	EXPECT_GE(n, 3);
	close(log);
	close_object(self->h);
}

TEST_F_TIMEOUT(failslab, mem_snapshot, 300)
{
	int log, s;

	ASSERT_TRUE(open_object(self->h));
	log = mem_log(self->h->mem);
	FAIL_EACH(open_snapshot, close_created);
	EXPECT_GE(self->refusals, 3);
	EXPECT_EQ(mem_stat(self->h->mem).snapshots, 0);
	EXPECT_EQ(mem_stat(self->h->mem).copied, 0);
	/* What was armed for one that failed is not lost. */
	self->h->p[7 * PAGE] ^= 1;
	EXPECT_TRUE(LOG_IS(log, MEM_BYTES, 7));
	s = mem_snapshot(self->h->mem, 0);
	EXPECT_GE(s, 0);
	close(s);
	close(log);
	close_object(self->h);
}

/* How a page is written, by the process, the kernel and a vCPU. */
static int store_page(struct host *h, size_t page)
{
	*(volatile uint64_t *)(h->p + page * PAGE) = ~0ULL;
	return 0;
}

static int pwrite_page(struct host *h, size_t page)
{
	uint64_t v = ~0ULL;

	return pwrite(h->mem, &v, 8, page * PAGE) == 8 ? 0 : -errno;
}

static int vcpu_page(struct host *h, size_t page)
{
	return guest_store(&h->g, page * PAGE, ~0ULL);
}

/*
 * A write for which there is no memory to copy the page: it is done (or, a
 * system call, says that it was not), it is logged, and each snapshot is as it
 * was or has failed.
 */
#define FAIL_WRITES(write_page) do {					\
	int kept_ = 0, lost_ = 0, ret_, s_, log_ = mem_log(self->h->mem); \
	struct vireo_snapshot_stat stat_;				\
	bool failed_ = true;						\
	uint64_t buf_[PAGE / 8];					\
	/* Which allocation is the copy differs from time to time. */	\
	for (int n_ = 1, round_ = 0; failed_ && n_ < 100; n_++) {	\
		size_t page_ = n_ * 64 % MEM_PAGES;			\
		page_fill(self->h->p + page_ * PAGE, page_, 1);		\
		settle();						\
		s_ = mem_snapshot(self->h->mem, 0);			\
		ASSERT_GE(s_, 0);					\
		log_take(log_, self->d, MEM_BYTES);			\
		inject_arm(self->h->fail, n_);					\
		ret_ = write_page(self->h, page_);			\
		failed_ = inject_disarm(self->h->fail);			\
		EXPECT_TRUE(!ret_ || (failed_ && ret_ == -ENOMEM));	\
		if (!ret_)						\
			EXPECT_EQ(*(uint64_t *)(self->h->p + page_ * PAGE), \
				  ~0ULL);				\
		log_take(log_, self->d, MEM_BYTES);			\
		if (!ret_)						\
			EXPECT_TRUE(dirty_page(self->d, page_));	\
		stat_ = snapshot_stat(s_);				\
		if (stat_.error) {					\
			EXPECT_EQ(stat_.error, ENOMEM);			\
			EXPECT_TRUE(failed_);				\
			EXPECT_EQ(pread(s_, buf_, PAGE, 0), -1);	\
			EXPECT_EQ(errno, EIO);				\
			lost_++;					\
		} else {						\
			ASSERT_EQ(pread(s_, buf_, PAGE, page_ * PAGE), PAGE); \
			EXPECT_TRUE(page_is(buf_, page_, 1));		\
			kept_++;					\
		}							\
		close(s_);						\
		if (!failed_ && !lost_ && ++round_ < 5) {		\
			n_ = 0;						\
			failed_ = true;					\
		}							\
	}								\
	ASSERT_FALSE(failed_);						\
	EXPECT_GE(lost_, 1);						\
	EXPECT_GE(kept_, 1);						\
	TH_LOG(#write_page ": %d snapshots kept, %d failed", kept_, lost_); \
	close(log_);							\
} while (0)

TEST_F_TIMEOUT(failslab, mem_write, 300)
{
	self->d = mmap(NULL, sizeof(*self->d), PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	ASSERT_TRUE(open_object(self->h));
	FAIL_WRITES(store_page);
	FAIL_WRITES(pwrite_page);
	ASSERT_EQ(guest_map_object(&self->h->g, self->h->p, MEM_BYTES), 0);
	FAIL_WRITES(vcpu_page);
	close_object(self->h);
}

/* Discarding copies, too. */
TEST_F_TIMEOUT(failslab, mem_discard, 300)
{
	bool failed = true;
	uint64_t buf[PAGE / 8];
	int s, ret, n, lost = 0;

	for (n = 1; failed && n < MAX_NTH; n++) {
		ASSERT_TRUE(open_object(self->h));
		s = mem_snapshot(self->h->mem, 0);
		inject_arm(self->h->fail, n);
		ret = mem_discard(self->h->mem, 0, 8 * PAGE);
		failed = inject_disarm(self->h->fail);
		EXPECT_TRUE(!ret || (failed && ret == -ENOMEM));
		if (!ret)
			EXPECT_TRUE(page_is_zero(self->h->p + 3 * PAGE));
		if (snapshot_stat(s).error) {
			EXPECT_EQ(snapshot_stat(s).error, ENOMEM);
			lost++;
		} else {
			for (int i = 0; i < 10; i++) {
				ASSERT_EQ(pread(s, buf, PAGE, i * PAGE), PAGE);
				EXPECT_TRUE(page_is(buf, i, self->h->version));
			}
		}
		close(s);
		close_object(self->h);
	}
	ASSERT_FALSE(failed);
	EXPECT_GE(lost, 1);
}

/* ---- block queues -------------------------------------------------------- */

#define BELL 0x700

static int create_disk(struct host *h)
{
	struct vireo_disk_create create = disk_template(h->disk_fd, RIG_DISK);

	return IOCTL(h->dev, VIREO_DISK_CREATE, &create);
}

static int add_queue(struct host *h)
{
	struct vireo_queue_add add = queue_template(&h->r);

	add.next_avail = add.next_used = h->r.used->idx;
	if (h->path == VIREO_EXIT_PATH_BUS) {
		add.flags = VIREO_QUEUE_DOORBELL;
		add.bell_addr = BELL;
		add.bell_len = 2;
	}
	return rig_add(&h->r, &add);
}

static void del_queue(struct host *h, int unused)
{
	struct vireo_queue_del del = {};

	(void)unused;
	rig_del(&h->r, &del);
}

static int read_disk(struct host *h)
{
	/* Not aligned, and of many pages: all that can be allocated is. */
	rig_put(&h->r, VIRTIO_BLK_T_IN, 0, RIG_DATA + 4, 16 * PAGE);
	guest_reset(&h->g);
	guest_add(&h->g, 0, GUEST_OUT, 2, BELL, 0);
	h->rang = guest_run(&h->g, 0);
	return 0;
}

/* Nothing is lost: what there is no memory for now is done later. */
static void has_read(struct host *h, int unused)
{
	(void)unused;
	/* KVM's own allocation failed, and with it KVM_RUN. */
	if (h->rang)
		guest_access(&h->g, GUEST_OUT, 2, BELL, 0, NULL);
	if (!rig_wait(&h->r, 1))
		h->r.id = -1;
}

TEST_F_TIMEOUT(failslab, queue, 300)
{
	struct host *h = self->h;

	h->disk_fd = ram_open();
	if (h->disk_fd < 0)
		SKIP(return, "no RAM disk");
	ASSERT_EQ(rig_open_on(&h->r, dup(h->g.vm)), 0);
	ASSERT_EQ(rig_disk(&h->r, h->disk_fd, RIG_DISK, 0), 0);
	FAIL_EACH(create_disk, close_created);
	EXPECT_GE(self->refusals, 1);
	FAIL_EACH(add_queue, del_queue);
	EXPECT_GE(self->refusals, 4);
	if (h->path == VIREO_EXIT_PATH_BUS) {
		ASSERT_EQ(add_queue(h), 0);
		FAIL_EACH(read_disk, has_read);
		EXPECT_GE(self->failures, 4);
		EXPECT_NE(h->r.id, -1U);
		EXPECT_EQ(rig_state(&h->r).errors, 0);
		EXPECT_EQ(rig_state(&h->r).fault, VIREO_QUEUE_OK);
	}
	rig_close(&h->r);
	close(h->disk_fd);
}

TEST_HARNESS_MAIN
