// SPDX-License-Identifier: GPL-2.0
/* What can be done with the memory of a memory object. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/mempolicy.h>

#include "kselftest_harness.h"

#include "common.h"
#include "memory.h"

#define BYTES (4UL << 20)
#define PAGES (BYTES / PAGE)

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#define MADV_POPULATE_WRITE 23
#endif

FIXTURE(mem_use)
{
	int dev;
	int mem;
	uint8_t *p;
};

FIXTURE_SETUP(mem_use)
{
	ASSERT_EQ(object_open(&self->dev, &self->mem, &self->p, BYTES), 0);
}

FIXTURE_TEARDOWN(mem_use)
{
	object_close(self->dev, self->mem, self->p, BYTES);
}

/* ---- mapping ------------------------------------------------------------- */

/* What a child dies of when it touches memory; 0 if it lives. */
static int signal_of_touch(uint8_t *at, bool write)
{
	pid_t pid = fork();
	int status;

	if (!pid) {
		if (write)
			*(volatile uint8_t *)at = 1;
		else
			(void)*(volatile uint8_t *)at;
		_exit(0);
	}
	waitpid(pid, &status, 0);
	return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

TEST_F(mem_use, maps)
{
	uint8_t *part, *private, *ro;

	for (size_t i = 0; i < PAGES; i++)
		EXPECT_TRUE(page_is_zero(self->p + i * PAGE));
	for (size_t i = 0; i < PAGES; i++)
		page_fill(self->p + i * PAGE, i, 1);

	part = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED,
		    self->mem, 7 * PAGE);
	ASSERT_NE(part, MAP_FAILED);
	EXPECT_TRUE(page_is(part + PAGE, 8, 1));
	page_fill(part, 7, 2);
	EXPECT_TRUE(page_is(self->p + 7 * PAGE, 7, 2));

	private = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE,
		       self->mem, 0);
	ASSERT_NE(private, MAP_FAILED);
	EXPECT_TRUE(page_is(private + 7 * PAGE, 7, 2));
	page_fill(private + 9 * PAGE, 9, 5);
	EXPECT_TRUE(page_is(self->p + 9 * PAGE, 9, 1));

	ro = mmap(NULL, BYTES, PROT_READ, MAP_SHARED, self->mem, 0);
	ASSERT_NE(ro, MAP_FAILED);
	EXPECT_EQ(signal_of_touch(ro, false), 0);
	EXPECT_EQ(signal_of_touch(ro, true), SIGSEGV);
	EXPECT_EQ(signal_of_touch(self->p, true), 0);
	munmap(ro, BYTES);
	munmap(part, 2 * PAGE);
	munmap(private, BYTES);
}

static long faults(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_minflt;
}

/* Faults of writing to each page, after reading each. */
static long faults_of_writes(uint8_t *p)
{
	long before;

	for (size_t i = 0; i < PAGES; i++)
		(void)*(volatile uint8_t *)(p + i * PAGE);
	before = faults();
	for (size_t i = 0; i < PAGES; i++)
		*(volatile uint8_t *)(p + i * PAGE) = 1;
	return faults() - before;
}

TEST_F(mem_use, faults_once_for_reading_and_writing)
{
	int log;

	EXPECT_LT(faults_of_writes(self->p), (long)PAGES / 16);
	/* Pages that are there, but not mapped. */
	madvise(self->p, BYTES, MADV_DONTNEED);
	EXPECT_LT(faults_of_writes(self->p), (long)PAGES / 16);
	/* Who tracks hears of each. */
	log = mem_log(self->mem);
	madvise(self->p, BYTES, MADV_DONTNEED);
	EXPECT_GE(faults_of_writes(self->p), (long)PAGES);
	close(log);
	madvise(self->p, BYTES, MADV_DONTNEED);
	EXPECT_LT(faults_of_writes(self->p), (long)PAGES / 16);
}

TEST_F(mem_use, maps_nothing_beyond_its_end)
{
	static const struct {
		size_t len;
		off_t at;
	} tries[] = {
		{ BYTES + PAGE, 0 }, { PAGE, BYTES }, { 2 * PAGE, BYTES - PAGE },
		{ PAGE, 1ULL << 50 }, { PAGE, 0x7ffffffffffff000 },
	};
	uint8_t *p, *last;

	for (size_t i = 0; i < ARRAY_LEN(tries); i++) {
		p = mmap(NULL, tries[i].len, PROT_READ | PROT_WRITE, MAP_SHARED,
			 self->mem, tries[i].at);
		if (p == MAP_FAILED)
			continue;
		last = p + tries[i].len - PAGE;
		EXPECT_EQ(signal_of_touch(last, false), SIGBUS);
		EXPECT_EQ(signal_of_touch(last, true), SIGBUS);
		munmap(p, tries[i].len);
	}
	/* Growing a mapping is no other way. */
	p = mremap(self->p, BYTES, 2 * BYTES, MREMAP_MAYMOVE);
	if (p != MAP_FAILED) {
		EXPECT_EQ(signal_of_touch(p + BYTES, true), SIGBUS);
		self->p = p;
		munmap(p + BYTES, BYTES);
	}
	EXPECT_EQ(mem_stat(self->mem).bytes, BYTES);
}

TEST_F(mem_use, moves_and_splits)
{
	uint8_t *q, *copy;

	page_fill(self->p, 0, 1);
	page_fill(self->p + BYTES - PAGE, PAGES - 1, 1);
	q = mremap(self->p, BYTES, BYTES, MREMAP_MAYMOVE | MREMAP_FIXED,
		   mmap(NULL, BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS,
			-1, 0));
	ASSERT_NE(q, MAP_FAILED);
	self->p = q;
	EXPECT_TRUE(page_is(q, 0, 1));
	page_fill(q, 0, 2);

	/* A second mapping of the same. */
	copy = mremap(q, 0, BYTES, MREMAP_MAYMOVE);
	ASSERT_NE(copy, MAP_FAILED);
	EXPECT_TRUE(page_is(copy, 0, 2));
	page_fill(copy, 0, 3);
	EXPECT_TRUE(page_is(q, 0, 3));

	/* A hole in the middle, then the rest, last part first. */
	EXPECT_EQ(munmap(copy + BYTES / 2, PAGE), 0);
	EXPECT_TRUE(page_is(copy + BYTES - PAGE, PAGES - 1, 1));
	EXPECT_EQ(munmap(copy + BYTES / 2 + PAGE, BYTES / 2 - PAGE), 0);
	EXPECT_EQ(munmap(copy, BYTES / 2), 0);
	EXPECT_TRUE(page_is(q, 0, 3));
}

/* A log is open, so that pages are written for the first time again. */
TEST_F(mem_use, protects)
{
	int log = mem_log(self->mem);

	ASSERT_GE(log, 0);
	page_fill(self->p + PAGE, 1, 1);
	EXPECT_TRUE(LOG_IS(log, BYTES, 1));
	ASSERT_EQ(mprotect(self->p, BYTES, PROT_READ), 0);
	EXPECT_EQ(signal_of_touch(self->p, true), SIGSEGV);
	ASSERT_EQ(mprotect(self->p, BYTES, PROT_READ | PROT_WRITE), 0);
	page_fill(self->p + PAGE, 1, 2);
	page_fill(self->p + 3 * PAGE, 3, 2);
	EXPECT_TRUE(LOG_IS(log, BYTES, 1, 3));

	/* Dirty before, then forbidden, allowed again and written. */
	page_fill(self->p + PAGE, 1, 3);
	ASSERT_EQ(mprotect(self->p, BYTES, PROT_NONE), 0);
	EXPECT_TRUE(LOG_IS(log, BYTES, 1));
	ASSERT_EQ(mprotect(self->p, BYTES, PROT_READ | PROT_WRITE), 0);
	EXPECT_TRUE(LOG_IS(log, BYTES));
	page_fill(self->p + PAGE, 1, 4);
	EXPECT_TRUE(LOG_IS(log, BYTES, 1));

	/* Mapped for reading first, and made writable when the log is on. */
	ASSERT_EQ(mprotect(self->p, BYTES, PROT_READ), 0);
	for (size_t i = 0; i < PAGES; i++)
		(void)*(volatile uint8_t *)(self->p + i * PAGE);
	ASSERT_EQ(mprotect(self->p, BYTES, PROT_READ | PROT_WRITE), 0);
	page_fill(self->p + 5 * PAGE, 5, 4);
	EXPECT_TRUE(LOG_IS(log, BYTES, 5));
	close(log);
}

TEST_F(mem_use, advises)
{
	uint8_t *p = self->p;
	int log;

	for (size_t i = 0; i < PAGES; i++)
		page_fill(p + i * PAGE, i, 1);
	EXPECT_EQ(madvise(p, BYTES, MADV_DONTNEED), 0);
	EXPECT_TRUE(page_is(p + 3 * PAGE, 3, 1));
	EXPECT_EQ(madvise(p, BYTES, MADV_REMOVE), -1);
	EXPECT_EQ(errno, EPERM);
	EXPECT_TRUE(page_is(p + 3 * PAGE, 3, 1));
	EXPECT_LT(madvise(p, BYTES, MADV_FREE), 0);
	madvise(p, BYTES, MADV_HUGEPAGE);
	madvise(p, BYTES, MADV_PAGEOUT);
	madvise(p, BYTES, MADV_COLD);
	madvise(p, BYTES, MADV_MERGEABLE);
	for (size_t i = 0; i < PAGES; i++)
		EXPECT_TRUE(page_is(p + i * PAGE, i, 1));

	log = mem_log(self->mem);
	ASSERT_GE(log, 0);
	ASSERT_EQ(madvise(p, BYTES, MADV_DONTNEED), 0);
	ASSERT_EQ(madvise(p, BYTES, MADV_POPULATE_READ), 0);
	EXPECT_TRUE(LOG_IS(log, BYTES));
	ASSERT_EQ(madvise(p + PAGE, 2 * PAGE, MADV_POPULATE_WRITE), 0);
	EXPECT_TRUE(LOG_IS(log, BYTES, 1, 2));
	/* What was dirty stays so when its mapping goes. */
	page_fill(p + 7 * PAGE, 7, 2);
	ASSERT_EQ(madvise(p, BYTES, MADV_DONTNEED), 0);
	EXPECT_TRUE(LOG_IS(log, BYTES, 7));
	EXPECT_EQ(madvise(p, BYTES, MADV_REMOVE), -1);
	EXPECT_TRUE(LOG_IS(log, BYTES));
	close(log);
}

/* ---- reading and writing ------------------------------------------------- */

TEST_F(mem_use, reads_and_writes)
{
	void *none = mmap(NULL, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS,
			  -1, 0);
	uint8_t buf[3 * PAGE], text[] = "across a page";
	struct iovec v[2] = { { buf, 100 }, { buf + 200, PAGE } };

	ASSERT_EQ(pwrite(self->mem, text, sizeof(text), PAGE - 5),
		  sizeof(text));
	EXPECT_EQ(memcmp(self->p + PAGE - 5, text, sizeof(text)), 0);
	memset(buf, 0xaa, sizeof(buf));
	ASSERT_EQ(pread(self->mem, buf, sizeof(text), PAGE - 5), sizeof(text));
	EXPECT_EQ(memcmp(buf, text, sizeof(text)), 0);

	memset(self->p + 10 * PAGE, 0x5a, 2 * PAGE);
	ASSERT_EQ(preadv(self->mem, v, 2, 10 * PAGE), 100 + PAGE);
	EXPECT_EQ(buf[99], 0x5a);
	EXPECT_EQ(buf[200 + PAGE - 1], 0x5a);
	memset(buf, 0xa5, sizeof(buf));
	ASSERT_EQ(pwritev(self->mem, v, 2, 20 * PAGE), 100 + PAGE);
	EXPECT_EQ(self->p[20 * PAGE + 99 + PAGE], 0xa5);
	EXPECT_EQ(self->p[20 * PAGE + 100 + PAGE], 0);

	/* Its size never changes. */
	EXPECT_EQ(pread(self->mem, buf, 10, BYTES), 0);
	EXPECT_EQ(pread(self->mem, buf, PAGE, BYTES - 10), 10);
	EXPECT_EQ(pread(self->mem, buf, 10, 1ULL << 60), 0);
	EXPECT_EQ(pwrite(self->mem, text, 10, BYTES - 5), 5);
	EXPECT_LE(pwrite(self->mem, text, 10, BYTES), 0);
	EXPECT_LT(pwrite(self->mem, text, 10, -1), 0);
	EXPECT_LT(pwrite(self->mem, none, 10, 0), 0);
	EXPECT_EQ(errno, EFAULT);
	EXPECT_LT(ftruncate(self->mem, 0), 0);
	EXPECT_LT(ftruncate(self->mem, 2 * BYTES), 0);
	EXPECT_LT(fallocate(self->mem, FALLOC_FL_PUNCH_HOLE |
			    FALLOC_FL_KEEP_SIZE, 0, PAGE), 0);
	EXPECT_LT(fallocate(self->mem, 0, 0, 2 * BYTES), 0);
	EXPECT_EQ(mem_stat(self->mem).bytes, BYTES);
	EXPECT_EQ(memcmp(self->p + PAGE - 5, text, sizeof(text)), 0);
}

/* Reading and writing a mapping of the same memory. */
TEST_F(mem_use, copies_onto_itself)
{
	page_fill(self->p, 0, 1);
	page_fill(self->p + PAGE, 1, 1);
	EXPECT_EQ(pwrite(self->mem, self->p + PAGE, PAGE, 0), PAGE);
	EXPECT_TRUE(page_is(self->p, 1, 1));
	EXPECT_EQ(pread(self->mem, self->p + 9 * PAGE, 2 * PAGE, 0), 2 * PAGE);
	EXPECT_TRUE(page_is(self->p + 10 * PAGE, 1, 1));
	/* A page that is not there yet, into itself. */
	EXPECT_EQ(pwrite(self->mem, self->p + 50 * PAGE, PAGE, 50 * PAGE), PAGE);
	EXPECT_EQ(pread(self->mem, self->p + 51 * PAGE, PAGE, 51 * PAGE), PAGE);
	EXPECT_TRUE(page_is_zero(self->p + 51 * PAGE));
}

/* ---- pages that come and go ---------------------------------------------- */

TEST_F(mem_use, prefault)
{
	EXPECT_EQ(mem_stat(self->mem).resident, 0);
	EXPECT_EQ(mem_prefault(self->mem, PAGE, 5 * PAGE), 0);
	EXPECT_EQ(mem_stat(self->mem).resident, 5 * PAGE);
	EXPECT_EQ(mem_prefault(self->mem, 0, BYTES), 0);
	EXPECT_EQ(mem_stat(self->mem).resident, BYTES);
	EXPECT_EQ(mem_prefault(self->mem, 0, BYTES), 0);
	EXPECT_TRUE(page_is_zero(self->p + 3 * PAGE));
}

static void *prefault_thread(void *arg)
{
	return (void *)(intptr_t)mem_prefault(*(int *)arg, 0, BYTES);
}

TEST_F(mem_use, prefault_at_once)
{
	pthread_t thread[4];
	void *ret;

	for (int i = 0; i < 4; i++)
		pthread_create(&thread[i], NULL, prefault_thread, &self->mem);
	for (int i = 0; i < 4; i++) {
		pthread_join(thread[i], &ret);
		EXPECT_EQ((intptr_t)ret, 0);
	}
	EXPECT_EQ(mem_stat(self->mem).resident, BYTES);
}

static void on_signal(int sig)
{
	(void)sig;
}

/* A signal that comes each so often ends a long call, which then goes on. */
#define INTERRUPTED(cmd, mem, bytes) do {				\
	struct vireo_mem_range range_ = {				\
		.size = sizeof(range_), .len = bytes };			\
	struct itimerval t_ = { { 0, 4000 }, { 0, 4000 } };		\
	int times_ = 0, ret_;						\
	sigaction(SIGALRM, &(struct sigaction){				\
		.sa_handler = on_signal }, NULL);			\
	setitimer(ITIMER_REAL, &t_, NULL);				\
	while (range_.len) {						\
		range_.done = -1;						\
		ret_ = IOCTL(mem, cmd, &range_);				\
		times_ += ret_ == -EINTR;				\
		if (ret_ && ret_ != -EINTR)				\
			break;						\
		ASSERT_LE(range_.done, range_.len);				\
		EXPECT_EQ(range_.done % PAGE, 0);				\
		EXPECT_EQ(!ret_, range_.done == range_.len);			\
		range_.start += range_.done;					\
		range_.len -= range_.done;					\
	}								\
	setitimer(ITIMER_REAL, &(struct itimerval){}, NULL);		\
	EXPECT_EQ(ret_, 0);						\
	EXPECT_GE(times_, 1);						\
} while (0)

TEST_F_TIMEOUT(mem_use, prefault_and_discard_end_at_a_signal, 120)
{
	const size_t bytes = 256UL << 20;
	int mem = mem_create(self->dev, bytes, 0);

	ASSERT_GE(mem, 0);
	INTERRUPTED(VIREO_MEM_PREFAULT, mem, bytes);
	EXPECT_EQ(mem_stat(mem).resident, bytes);
	INTERRUPTED(VIREO_MEM_DISCARD, mem, bytes);
	EXPECT_EQ(mem_stat(mem).resident, 0);
	EXPECT_EQ(mem_stat(mem).discarded, bytes);
	close(mem);
}

TEST_F(mem_use, discard)
{
	uint8_t *private, page[PAGE];

	for (size_t i = 0; i < PAGES; i++)
		page_fill(self->p + i * PAGE, i, 1);
	private = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE,
		       self->mem, 0);
	page_fill(private + 5 * PAGE, 5, 7);

	EXPECT_EQ(mem_discard(self->mem, 4 * PAGE, 4 * PAGE), 0);
	EXPECT_EQ(mem_stat(self->mem).resident, BYTES - 4 * PAGE);
	EXPECT_EQ(mem_stat(self->mem).discarded, 4 * PAGE);
	EXPECT_TRUE(page_is(self->p + 3 * PAGE, 3, 1));
	EXPECT_TRUE(page_is(self->p + 8 * PAGE, 8, 1));
	ASSERT_EQ(pread(self->mem, page, PAGE, 4 * PAGE), PAGE);
	EXPECT_TRUE(page_is_zero(page));
	for (int i = 4; i < 8; i++)
		EXPECT_TRUE(page_is_zero(self->p + i * PAGE));
	/* What a process has copied for itself is its own. */
	EXPECT_TRUE(page_is(private + 5 * PAGE, 5, 7));
	EXPECT_TRUE(page_is_zero(private + 6 * PAGE));

	page_fill(self->p + 5 * PAGE, 5, 2);
	EXPECT_TRUE(page_is(self->p + 5 * PAGE, 5, 2));
	/* A hole again: nothing to free. */
	EXPECT_EQ(mem_discard(self->mem, 0, BYTES), 0);
	EXPECT_EQ(mem_discard(self->mem, 0, BYTES), 0);
	EXPECT_EQ(mem_stat(self->mem).resident, 0);
	EXPECT_LE(mem_stat(self->mem).discarded, BYTES + 4 * PAGE);
	munmap(private, BYTES);
}

TEST_F(mem_use, huge_pages)
{
	const size_t bytes = 8 * HUGE + 3 * PAGE;
	int mem = mem_create(self->dev, bytes, VIREO_MEM_HUGE), plain;
	struct vireo_mem_stat s;
	uint8_t *p;

	if (access("/sys/kernel/mm/transparent_hugepage", F_OK))
		SKIP(return, "no huge pages in this kernel");
	ASSERT_GE(mem, 0);
	ASSERT_EQ(mem_prefault(mem, 0, bytes), 0);
	s = mem_stat(mem);
	EXPECT_EQ(s.resident, bytes);
	EXPECT_EQ(s.huge, 8 * HUGE);

	/* Freeing a part of one frees no more. */
	p = mem_map(mem, bytes);
	ASSERT_NE(p, NULL);
	memset(p, 0x11, bytes);
	EXPECT_EQ(mem_discard(mem, PAGE, PAGE), 0);
	EXPECT_EQ(p[0], 0x11);
	EXPECT_EQ(p[PAGE], 0);
	EXPECT_EQ(p[2 * PAGE], 0x11);
	s = mem_stat(mem);
	EXPECT_LE(s.huge, 8 * HUGE);
	EXPECT_GE(s.huge, 7 * HUGE);
	munmap(p, bytes);
	close(mem);

	/* By default the system gives shared memory none. */
	plain = mem_create(self->dev, 4 * HUGE, 0);
	ASSERT_EQ(mem_prefault(plain, 0, 4 * HUGE), 0);
	if (system("grep -q '\\[never\\]' "
		   "/sys/kernel/mm/transparent_hugepage/shmem_enabled") == 0)
		EXPECT_EQ(mem_stat(plain).huge, 0);
	close(plain);
}

/* What is huge of an object after two pages of a mapping were touched. */
static __u64 huge_after(int dev, size_t bytes, int advice)
{
	int mem = mem_create(dev, bytes, VIREO_MEM_HUGE_ADVISE);
	uint8_t *p = mem_map(mem, bytes);
	__u64 huge;

	if (!p || (advice && madvise(p, bytes, advice)))
		return -1;
	p[0] = 1;
	p[bytes - PAGE] = 1;
	huge = mem_stat(mem).huge;
	munmap(p, bytes);
	close(mem);
	return huge;
}

TEST_F(mem_use, huge_pages_where_advised)
{
	const size_t bytes = 4 * HUGE;
	static uint8_t was[PAGE];
	int mem, s;
	uint8_t *p, *part;

	if (access("/sys/kernel/mm/transparent_hugepage", F_OK))
		SKIP(return, "no huge pages in this kernel");
	EXPECT_EQ(huge_after(self->dev, bytes, 0), 0);
	EXPECT_EQ(huge_after(self->dev, bytes, MADV_HUGEPAGE), 2 * HUGE);
	EXPECT_EQ(huge_after(self->dev, bytes, MADV_NOHUGEPAGE), 0);
	/* One of them would reach beyond the end. */
	EXPECT_EQ(huge_after(self->dev, bytes + PAGE, MADV_HUGEPAGE), 0);
	EXPECT_EQ(huge_after(self->dev, bytes - PAGE, MADV_HUGEPAGE), 0);

	/* By a second mapping, of a part, which is gone then. */
	mem = mem_create(self->dev, bytes, VIREO_MEM_HUGE_ADVISE);
	p = mem_map(mem, bytes);
	ASSERT_NE(p, NULL);
	page_fill(p, 0, 1);
	part = mmap(NULL, HUGE, PROT_READ | PROT_WRITE, MAP_SHARED, mem,
		    2 * HUGE);
	ASSERT_NE(part, MAP_FAILED);
	ASSERT_EQ(madvise(part, HUGE, MADV_HUGEPAGE), 0);
	page_fill(part + PAGE, 1, 1);
	munmap(part, HUGE);
	EXPECT_EQ(mem_stat(mem).huge, HUGE);
	EXPECT_EQ(mem_stat(mem).resident, HUGE + PAGE);
	EXPECT_TRUE(page_is(p, 0, 1));
	EXPECT_TRUE(page_is(p + 2 * HUGE + PAGE, 1, 1));

	/* A snapshot of both kinds of pages. */
	s = mem_snapshot(mem, 0);
	ASSERT_GE(s, 0);
	page_fill(p, 0, 2);
	page_fill(p + 2 * HUGE + PAGE, 1, 2);
	ASSERT_EQ(pread(s, was, PAGE, 0), PAGE);
	EXPECT_TRUE(page_is(was, 0, 1));
	ASSERT_EQ(pread(s, was, PAGE, 2 * HUGE + PAGE), PAGE);
	EXPECT_TRUE(page_is(was, 1, 1));
	close(s);
	munmap(p, bytes);
	close(mem);
}

TEST_F(mem_use, numa_policy)
{
	unsigned long node0 = 1;
	int policy = -1;

	if (syscall(SYS_mbind, self->p, BYTES, MPOL_BIND, &node0, 64UL, 0UL))
		SKIP(return, "mbind: %s", strerror(errno));
	ASSERT_EQ(syscall(SYS_get_mempolicy, &policy, NULL, 0UL, self->p,
			  (unsigned long)MPOL_F_ADDR), 0);
	EXPECT_EQ(policy, MPOL_BIND);
	memset(self->p, 1, BYTES);
	EXPECT_EQ(mem_stat(self->mem).resident, BYTES);
}

TEST_F_TIMEOUT(mem_use, swaps, 120)
{
	int log = mem_log(self->mem), ret;
	char path[SWAP_PATH];

	ret = swap_add(path, 64 << 20);
	if (ret)
		SKIP(return, "no swap: %s", strerror(-ret));
	for (size_t i = 0; i < PAGES; i++)
		page_fill(self->p + i * PAGE, i, 1);
	EXPECT_EQ(log_take(log, malloc(sizeof(struct dirty)), BYTES), PAGES);
	EXPECT_TRUE(swap_out(self->mem, self->p, BYTES / 2));
	EXPECT_GE(mem_stat(self->mem).swapped, BYTES / 2);
	EXPECT_EQ(mem_stat(self->mem).resident +
		  mem_stat(self->mem).swapped, BYTES);
	/* Neither going nor coming is a write. */
	for (size_t i = 0; i < PAGES; i++)
		EXPECT_TRUE(page_is(self->p + i * PAGE, i, 1));
	EXPECT_TRUE(LOG_IS(log, BYTES));
	EXPECT_EQ(mem_stat(self->mem).resident, BYTES);

	EXPECT_TRUE(swap_out(self->mem, self->p, BYTES));
	page_fill(self->p + 3 * PAGE, 3, 2);
	ASSERT_EQ(pwrite(self->mem, "x", 1, 5 * PAGE), 1);
	EXPECT_EQ(mem_discard(self->mem, 10 * PAGE, PAGE), 0);
	EXPECT_TRUE(page_is_zero(self->p + 10 * PAGE));
	EXPECT_TRUE(page_is(self->p + 11 * PAGE, 11, 1));
	EXPECT_EQ(mem_prefault(self->mem, 0, BYTES), 0);
	EXPECT_EQ(mem_stat(self->mem).swapped, 0);
	EXPECT_TRUE(page_is(self->p + PAGE, 1, 1));
	swap_remove(path);
	close(log);
}

TEST_HARNESS_MAIN
