// SPDX-License-Identifier: GPL-2.0
/*
 * Snapshots: what they hold stays as it was, whatever becomes of the object;
 * and the object does not suffer from what becomes of them.  That it is the
 * memory of one instant is in mem_instant.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/mempolicy.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kselftest_harness.h"

#include "common.h"
#include "memory.h"

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

#define BYTES (4UL << 20)
#define PAGES (BYTES / PAGE)

FIXTURE(mem_snapshot)
{
	int dev;
	int mem;
	uint8_t *p;
};

/* All pages are of version 1, but every eighth, which is a hole. */
static bool is_hole(size_t page)
{
	return page % 8 == 7;
}

FIXTURE_SETUP(mem_snapshot)
{
	ASSERT_EQ(object_open(&self->dev, &self->mem, &self->p, BYTES), 0);
	for (size_t i = 0; i < PAGES; i++)
		if (!is_hole(i))
			page_fill(self->p + i * PAGE, i, 1);
}

FIXTURE_TEARDOWN(mem_snapshot)
{
	object_close(self->dev, self->mem, self->p, BYTES);
}

static void write_all(uint8_t *p, uint64_t version)
{
	for (size_t i = 0; i < PAGES; i++)
		page_fill(p + i * PAGE, i, version);
}

static uint8_t *map_frozen(int snapshot)
{
	void *p = mmap(NULL, BYTES, PROT_READ, MAP_SHARED, snapshot, 0);

	return p == MAP_FAILED ? NULL : p;
}

/* Pages that are not what the fixture made. */
static size_t wrong_pages(const uint8_t *p)
{
	size_t wrong = 0;

	for (size_t i = 0; i < PAGES; i++)
		wrong += is_hole(i) ? !page_is_zero(p + i * PAGE) :
				      !page_is(p + i * PAGE, i, 1);
	return wrong;
}

/* The same, by reading; or -1. */
static long wrong_read(int snapshot)
{
	uint8_t *buf = malloc(BYTES);
	long wrong = -1;

	if (pread(snapshot, buf, BYTES, 0) == (ssize_t)BYTES)
		wrong = wrong_pages(buf);
	free(buf);
	return wrong;
}

static size_t wrong_version(const uint8_t *p, uint64_t version)
{
	size_t wrong = 0;

	for (size_t i = 0; i < PAGES; i++)
		wrong += !page_is(p + i * PAGE, i, version);
	return wrong;
}

TEST_F(mem_snapshot, read)
{
	struct vireo_mem_snapshot arg = { .size = sizeof(arg) };
	int s = IOCTL(self->mem, VIREO_MEM_SNAPSHOT, &arg);
	struct vireo_snapshot_stat stat;
	uint8_t buf[2 * PAGE];
	struct iovec v[2] = { { buf, 10 }, { buf + 10, PAGE } };

	ASSERT_GE(s, 0);
	EXPECT_GT(arg.arm_ns, 0);
	/* Those that were written; maybe those beside them. */
	EXPECT_GE(arg.armed, PAGES - PAGES / 8);
	EXPECT_LE(arg.armed, PAGES);
	EXPECT_EQ(wrong_read(s), 0);
	stat = snapshot_stat(s);
	EXPECT_EQ(stat.bytes, BYTES);
	EXPECT_EQ(stat.copied, 0);
	EXPECT_EQ(stat.error, 0);
	write_all(self->p, 2);
	EXPECT_EQ(wrong_read(s), 0);
	EXPECT_EQ(wrong_version(self->p, 2), 0);
	stat = snapshot_stat(s);
	EXPECT_EQ(stat.copied, (PAGES - PAGES / 8) * PAGE);
	EXPECT_EQ(mem_stat(self->mem).copied, stat.copied);
	write_all(self->p, 3);
	EXPECT_EQ(wrong_read(s), 0);
	EXPECT_EQ(snapshot_stat(s).copied, stat.copied);

	/* From any offset, at the file's own, across pages, to the end. */
	ASSERT_EQ(pread(s, buf, 16, PAGE - 8), 16);
	EXPECT_EQ(((uint64_t *)buf)[0], 1ULL << 32);
	EXPECT_EQ(((uint64_t *)buf)[1], 1ULL << 32 | 1);
	ASSERT_EQ(lseek(s, 3 * PAGE, SEEK_SET), 3 * PAGE);
	ASSERT_EQ(read(s, buf, PAGE), PAGE);
	EXPECT_TRUE(page_is(buf, 3, 1));
	ASSERT_EQ(read(s, buf, PAGE), PAGE);
	EXPECT_TRUE(page_is(buf, 4, 1));
	EXPECT_EQ(lseek(s, 0, SEEK_CUR), 5 * PAGE);
	EXPECT_EQ(lseek(s, 0, SEEK_END), BYTES);
	EXPECT_EQ(read(s, buf, 1), 0);
	EXPECT_EQ(pread(s, buf, 2 * PAGE, BYTES - PAGE), PAGE);
	EXPECT_EQ(pread(s, buf, 1, 1ULL << 62), 0);
	EXPECT_EQ(preadv(s, v, 2, PAGE), 10 + PAGE);
	EXPECT_LT(lseek(s, -1, SEEK_SET), 0);
	/* It cannot be changed. */
	EXPECT_LT(pwrite(s, buf, 1, 0), 0);
	EXPECT_LT(ftruncate(s, 0), 0);
	EXPECT_LT(pread(s, mmap(NULL, PAGE, PROT_NONE, MAP_PRIVATE |
				MAP_ANONYMOUS, -1, 0), PAGE, 0), 0);
	EXPECT_EQ(errno, EFAULT);
	close(s);
	EXPECT_EQ(mem_stat(self->mem).copied, 0);
}

/* Pages that became zeros need not be copied, nor holes that were filled. */
TEST_F(mem_snapshot, zeros)
{
	struct vireo_snapshot_stat stat;
	int s;

	memset(self->p + 3 * PAGE, 0, 4 * PAGE);
	s = mem_snapshot(self->mem, 0);
	memset(self->p + 3 * PAGE, 9, 5 * PAGE);
	stat = snapshot_stat(s);
	EXPECT_EQ(stat.copied, 0);
	EXPECT_GE(stat.zero, 4 * PAGE);
	for (size_t i = 3; i < 8; i++) {
		uint8_t buf[PAGE];

		ASSERT_EQ(pread(s, buf, PAGE, i * PAGE), PAGE);
		EXPECT_TRUE(page_is_zero(buf));
	}
	close(s);
}

TEST_F(mem_snapshot, map)
{
	int s = mem_snapshot(self->mem, 0);
	uint8_t *before = map_frozen(s), *after, *part;

	ASSERT_NE(before, NULL);
	/* A half is touched while the object has the same pages. */
	for (size_t i = 0; i < PAGES / 2; i++)
		(void)*(volatile uint8_t *)(before + i * PAGE);
	EXPECT_GE(mem_stat(self->mem).shared, PAGES / 4 * PAGE);
	write_all(self->p, 2);
	EXPECT_EQ(wrong_pages(before), 0);
	after = map_frozen(s);
	ASSERT_NE(after, NULL);
	EXPECT_EQ(wrong_pages(after), 0);
	part = mmap(NULL, 2 * PAGE, PROT_READ, MAP_SHARED, s, 9 * PAGE);
	ASSERT_NE(part, MAP_FAILED);
	EXPECT_TRUE(page_is(part + PAGE, 10, 1));
	munmap(part, 2 * PAGE);
	write_all(self->p, 3);
	EXPECT_EQ(wrong_pages(before), 0);
	EXPECT_EQ(wrong_pages(after), 0);
	EXPECT_EQ(wrong_version(self->p, 3), 0);
	EXPECT_EQ(mem_stat(self->mem).shared, 0);

	/* It cannot be written, nor be made writable. */
	EXPECT_EQ(mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, s, 0),
		  MAP_FAILED);
	EXPECT_LT(mprotect(before, BYTES, PROT_READ | PROT_WRITE), 0);
	EXPECT_LT(madvise(before, BYTES, MADV_REMOVE), 0);
	EXPECT_EQ(madvise(before, BYTES, MADV_DONTNEED), 0);
	EXPECT_EQ(wrong_pages(before), 0);
	munmap(before, BYTES);
	munmap(after, BYTES);
	close(s);
}

/* Copies, which are on none of the kernel's lists of pages, are asked for much. */
TEST_F(mem_snapshot, locked)
{
	unsigned long node = 1;
	int s = mem_snapshot(self->mem, 0);
	uint8_t *q;

	write_all(self->p, 2);
	q = map_frozen(s);
	ASSERT_NE(q, NULL);
	EXPECT_EQ(mlock(q, BYTES), 0);
	madvise(q, BYTES, MADV_COLD);
	madvise(q, BYTES, MADV_PAGEOUT);
	syscall(SYS_mbind, q, BYTES, MPOL_BIND, &node, 64UL, MPOL_MF_MOVE);
	write_all(self->p, 3);
	EXPECT_EQ(munlock(q, BYTES / 2), 0);
	EXPECT_EQ(wrong_pages(q), 0);
	/* The rest is locked until it is gone. */
	close(s);
	EXPECT_EQ(wrong_pages(q), 0);
	munmap(q, BYTES);
}

/* Each clone has the memory of the instant, and then its own. */
TEST_F(mem_snapshot, clones)
{
	int s = mem_snapshot(self->mem, 0);
	uint8_t *clone[4];
	int i;

	for (i = 0; i < 4; i++) {
		if (i == 2)
			write_all(self->p, 2);
		clone[i] = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE,
				s, 0);
		ASSERT_NE(clone[i], MAP_FAILED);
		EXPECT_EQ(wrong_pages(clone[i]), 0);
	}
	for (i = 0; i < 4; i++)
		page_fill(clone[i] + i * PAGE, i, 10 + i);
	page_fill(clone[3] + 7 * PAGE, 7, 20);
	for (i = 0; i < 4; i++) {
		EXPECT_TRUE(page_is(clone[i] + i * PAGE, i, 10 + i));
		EXPECT_TRUE(page_is(clone[(i + 1) % 4] + i * PAGE, i, 1));
	}
	EXPECT_TRUE(page_is_zero(clone[0] + 7 * PAGE));
	EXPECT_EQ(wrong_version(self->p, 2), 0);
	EXPECT_EQ(wrong_read(s), 0);
	/* A clone outlives the snapshot's descriptor, and the object. */
	close(s);
	EXPECT_TRUE(page_is(clone[1] + 9 * PAGE, 9, 1));
	for (i = 0; i < 4; i++)
		munmap(clone[i], BYTES);
	EXPECT_EQ(mem_stat(self->mem).snapshots, 0);
}

/* ---- several ------------------------------------------------------------- */

#define MANY 6

TEST_F(mem_snapshot, several_dropped_in_any_order)
{
	static const int orders[][MANY] = {
		{ 0, 1, 2, 3, 4, 5 }, { 5, 4, 3, 2, 1, 0 },
		{ 2, 0, 4, 1, 5, 3 }, { 3, 5, 1, 4, 0, 2 },
	};
	uint8_t *buf = malloc(BYTES), *mapped[MANY];
	int s[MANY], i, k;

	for (size_t o = 0; o < ARRAY_LEN(orders); o++) {
		for (i = 0; i < MANY; i++) {
			/* Each page that is a multiple is of version i. */
			for (size_t n = i; n < PAGES; n += i + 1)
				page_fill(self->p + n * PAGE, n, 100 + i);
			page_fill(self->p, 0, 200 + i);
			s[i] = mem_snapshot(self->mem, 0);
			ASSERT_GE(s[i], 0);
			mapped[i] = map_frozen(s[i]);
		}
		memcpy(buf, self->p, BYTES);
		write_all(self->p, 300);
		for (i = 0; i < MANY; i++) {
			for (k = i; k < MANY; k++) {
				uint8_t page[PAGE];
				int at = orders[o][k];

				ASSERT_EQ(pread(s[at], page, PAGE, 0), PAGE);
				EXPECT_TRUE(page_is(page, 0, 200 + at));
				EXPECT_TRUE(page_is(mapped[at], 0, 200 + at));
			}
			if (orders[o][i] == MANY - 1) {
				EXPECT_EQ(memcmp(mapped[MANY - 1], buf, BYTES),
					  0);
			}
			munmap(mapped[orders[o][i]], BYTES);
			close(s[orders[o][i]]);
			write_all(self->p, 301 + i);
			EXPECT_EQ((int)mem_stat(self->mem).snapshots, MANY - 1 - i);
		}
		EXPECT_EQ(mem_stat(self->mem).copied, 0);
		EXPECT_EQ(wrong_version(self->p, 301 + MANY - 1), 0);
	}
	free(buf);
}

/* The middle one of three takes with it nothing that its neighbours need. */
TEST_F(mem_snapshot, copies_that_are_shared)
{
	int a, b;

	a = mem_snapshot(self->mem, 0);
	b = mem_snapshot(self->mem, 0);
	write_all(self->p, 2);
	EXPECT_EQ(wrong_read(a), 0);
	EXPECT_EQ(wrong_read(b), 0);
	close(a);
	EXPECT_EQ(wrong_read(b), 0);
	a = mem_snapshot(self->mem, 0);
	write_all(self->p, 3);
	EXPECT_EQ(wrong_read(b), 0);
	close(b);
	b = mem_snapshot(self->mem, 0);
	close(b);
	write_all(self->p, 4);
	uint8_t *q = map_frozen(a);

	EXPECT_EQ(wrong_version(q, 2), 0);
	munmap(q, BYTES);
	close(a);
}

/* ---- the object changes in other ways ------------------------------------ */

TEST_F(mem_snapshot, discard)
{
	int s = mem_snapshot(self->mem, 0);
	uint8_t *q = map_frozen(s);

	for (size_t i = 0; i < PAGES / 2; i++)
		(void)*(volatile uint8_t *)(q + i * PAGE);
	ASSERT_EQ(mem_discard(self->mem, 0, BYTES), 0);
	EXPECT_EQ(wrong_version(self->p, 0), PAGES - 1);
	for (size_t i = 0; i < PAGES; i++)
		EXPECT_TRUE(page_is_zero(self->p + i * PAGE));
	EXPECT_EQ(wrong_pages(q), 0);
	EXPECT_EQ(wrong_read(s), 0);
	write_all(self->p, 3);
	EXPECT_EQ(wrong_read(s), 0);
	munmap(q, BYTES);
	close(s);
	EXPECT_EQ(wrong_version(self->p, 3), 0);
}

TEST_F(mem_snapshot, outlives_the_object)
{
	int s = mem_snapshot(self->mem, 0), i, dev = vireo_open();
	uint8_t *q;

	for (i = 0; i < (int)PAGES / 2; i++)
		page_fill(self->p + i * PAGE, i, 2);
	munmap(self->p, BYTES);
	close(self->mem);
	EXPECT_EQ(wrong_read(s), 0);
	q = map_frozen(s);
	EXPECT_EQ(wrong_pages(q), 0);
	close(s);
	EXPECT_EQ(wrong_pages(q), 0);
	munmap(q, BYTES);
	self->mem = mem_create(dev, BYTES, 0);
	self->p = mem_map(self->mem, BYTES);
	close(dev);
}

static int child_closes_all(void *arg)
{
	(void)arg;
	return 0;
}

/* A snapshot's mapping that is forked, then written in both. */
TEST_F(mem_snapshot, fork)
{
	int s = mem_snapshot(self->mem, 0);
	uint8_t *clone = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE,
			      s, 0);

	page_fill(clone, 0, 5);
	close(s);
	EXPECT_EQ(in_child(child_closes_all, NULL), 0);
	write_all(self->p, 2);
	EXPECT_TRUE(page_is(clone, 0, 5));
	EXPECT_TRUE(page_is(clone + PAGE, 1, 1));
	munmap(clone, BYTES);
}

TEST_F(mem_snapshot, pwrite)
{
	int s = mem_snapshot(self->mem, 0);
	uint8_t page[PAGE];

	page_fill(page, 3, 2);
	ASSERT_EQ(pwrite(self->mem, page, PAGE, 3 * PAGE), PAGE);
	ASSERT_EQ(pwrite(self->mem, "x", 1, 5 * PAGE - 1), 1);
	EXPECT_EQ(wrong_read(s), 0);
	EXPECT_EQ(snapshot_stat(s).copied, 2 * PAGE);
	/* From the snapshot, by its mapping, back into the object. */
	uint8_t *q = map_frozen(s);

	ASSERT_EQ(pwrite(self->mem, q + 3 * PAGE, PAGE, 3 * PAGE), PAGE);
	EXPECT_TRUE(page_is(self->p + 3 * PAGE, 3, 1));
	ASSERT_EQ(pwrite(self->mem, q, BYTES, 0), BYTES);
	EXPECT_EQ(wrong_pages(self->p), 0);
	/* The other way: read from it into the object. */
	write_all(self->p, 4);
	ASSERT_EQ(pread(s, self->p, BYTES, 0), BYTES);
	EXPECT_EQ(wrong_pages(self->p), 0);
	EXPECT_EQ(wrong_pages(q), 0);
	munmap(q, BYTES);
	close(s);
}

TEST_F_TIMEOUT(mem_snapshot, swap, 120)
{
	char path[SWAP_PATH];
	int ret = swap_add(path, 64 << 20), s, late;

	if (ret)
		SKIP(return, "no swap: %s", strerror(-ret));
	/* Out when it is armed. */
	swap_out(self->mem, self->p, BYTES / 2);
	EXPECT_GT(mem_stat(self->mem).swapped, 0);
	s = mem_snapshot(self->mem, 0);
	ASSERT_GE(s, 0);
	EXPECT_EQ(wrong_read(s), 0);
	/* Out after it. */
	swap_out(self->mem, self->p, BYTES);
	EXPECT_GT(mem_stat(self->mem).swapped, 0);
	late = mem_snapshot(self->mem, 0);
	for (size_t i = 0; i < PAGES; i += 2)
		page_fill(self->p + i * PAGE, i, 2);
	swap_out(self->mem, self->p, BYTES);
	write_all(self->p, 3);
	swap_out(self->mem, self->p, BYTES);
	EXPECT_EQ(mem_discard(self->mem, 9 * PAGE, 20 * PAGE), 0);
	EXPECT_EQ(wrong_read(s), 0);
	EXPECT_EQ(wrong_read(late), 0);
	EXPECT_TRUE(page_is(self->p + 5 * PAGE, 5, 3));
	close(s);
	close(late);
	swap_remove(path);
}

TEST_F(mem_snapshot, huge_pages)
{
	const size_t bytes = 4 * HUGE;
	int mem = mem_create(self->dev, bytes, VIREO_MEM_HUGE), s;
	uint8_t *p, *q, *page = malloc(PAGE);
	size_t i;

	ASSERT_EQ(mem_prefault(mem, 0, bytes), 0);
	if (mem_stat(mem).huge != bytes)
		SKIP(return, "no huge pages to be had");
	p = mem_map_aligned(mem, bytes);
	ASSERT_NE(p, NULL);
	for (i = 0; i < bytes / PAGE; i++)
		page_fill(p + i * PAGE, i, 1);
	s = mem_snapshot(mem, 0);
	ASSERT_GE(s, 0);
	q = mmap(NULL, bytes, PROT_READ, MAP_SHARED, s, 0);
	ASSERT_NE(q, MAP_FAILED);
	for (i = 0; i < 100; i++)
		EXPECT_TRUE(page_is(q + i * PAGE, i, 1));
	page_fill(p + 3 * PAGE, 3, 2);
	page_fill(p + HUGE + 3 * PAGE, 515, 2);
	for (i = 0; i < bytes / PAGE; i++) {
		ASSERT_EQ(pread(s, page, PAGE, i * PAGE), PAGE);
		EXPECT_TRUE(page_is(page, i, 1)) { TH_LOG("page %zu", i); }
		EXPECT_TRUE(page_is(q + i * PAGE, i, 1));
	}
	EXPECT_TRUE(page_is(p + 3 * PAGE, 3, 2));
	/* A part of one is freed: it is kept before. */
	EXPECT_EQ(mem_discard(mem, 2 * HUGE + PAGE, PAGE), 0);
	EXPECT_EQ(mem_discard(mem, 3 * HUGE, HUGE), 0);
	for (i = 2 * HUGE / PAGE; i < bytes / PAGE; i++)
		EXPECT_TRUE(page_is(q + i * PAGE, i, 1));
	EXPECT_TRUE(page_is(p + 2 * HUGE, 1024, 1));
	EXPECT_TRUE(page_is_zero(p + 2 * HUGE + PAGE));
	munmap(q, bytes);
	munmap(p, bytes);
	close(s);
	close(mem);
	free(page);
}

/* Bytes of pages in page tables that are neither anonymous nor shmem's. */
static long rss_file(void)
{
	char line[128];
	long kib = -1;
	FILE *f = fopen("/proc/self/status", "r");

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "RssFile: %ld", &kib) == 1)
			break;
	if (f)
		fclose(f);
	return kib * 1024;
}

static uint8_t *huge_place(size_t bytes)
{
	uint8_t *p = mmap(NULL, bytes + HUGE, PROT_NONE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return (uint8_t *)(((uintptr_t)p + HUGE - 1) & ~(HUGE - 1));
}

/*
 * The kernel makes huge pages of small ones at any time, and then drops the
 * page tables of mappings that could have them mapped.
 */
TEST_F(mem_snapshot, collapse)
{
	const size_t bytes = 2 * HUGE;
	int mem = mem_create(self->dev, bytes, 0), s;
	uint8_t *p, *q, *place = huge_place(bytes);
	long rss;
	size_t i;

	p = mmap(huge_place(bytes), bytes, PROT_READ | PROT_WRITE,
		 MAP_SHARED | MAP_FIXED, mem, 0);
	ASSERT_NE(p, MAP_FAILED);
	for (i = 0; i < bytes / PAGE; i++)
		page_fill(p + i * PAGE, i, 1);
	s = mem_snapshot(mem, 0);
	ASSERT_GE(s, 0);
	for (i = 0; i < bytes / PAGE; i++)
		page_fill(p + i * PAGE, i, 2);

	EXPECT_EQ(mmap(place, bytes, PROT_READ, MAP_SHARED | MAP_FIXED, s, 0),
		  MAP_FAILED);
	EXPECT_EQ(errno, EINVAL);
	rss = rss_file();
	q = mmap(place + PAGE, bytes, PROT_READ, MAP_SHARED | MAP_FIXED, s, 0);
	ASSERT_NE(q, MAP_FAILED);
	for (i = 0; i < bytes / PAGE; i++)
		EXPECT_TRUE(page_is(q + i * PAGE, i, 1));
	if (madvise(p, bytes, MADV_COLLAPSE))
		SKIP(goto out, "the kernel makes no huge page: %s",
		     strerror(errno));
	EXPECT_EQ(mem_stat(mem).huge, bytes);
	EXPECT_EQ(madvise(q, bytes, MADV_COLLAPSE), -1);
	/* Moved where it could have them: not at all. */
	EXPECT_EQ(mremap(q, bytes, bytes, MREMAP_MAYMOVE | MREMAP_FIXED,
			 huge_place(bytes)),
		  MAP_FAILED);
	for (i = 0; i < bytes / PAGE; i++) {
		EXPECT_TRUE(page_is(q + i * PAGE, i, 1));
		EXPECT_TRUE(page_is(p + i * PAGE, i, 2));
	}
	munmap(q, bytes);
	EXPECT_LT(rss_file() - rss, (long)bytes / 2);
	q = mmap(NULL, bytes, PROT_READ, MAP_PRIVATE, s, 0);
	ASSERT_NE(q, MAP_FAILED);
	EXPECT_NE(((uintptr_t)q & (HUGE - 1)), 0);
	for (i = 0; i < bytes / PAGE; i++)
		EXPECT_TRUE(page_is(q + i * PAGE, i, 1));
out:
	munmap(p, bytes);
	close(s);
	close(mem);
}

/* ---- failing ------------------------------------------------------------- */

static int signal_of_read(const uint8_t *at)
{
	pid_t pid = fork();
	int status;

	if (!pid) {
		(void)*(volatile const uint8_t *)at;
		_exit(0);
	}
	waitpid(pid, &status, 0);
	return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

TEST_F(mem_snapshot, limit)
{
	int s = mem_snapshot(self->mem, 4 * PAGE);
	int other = mem_snapshot(self->mem, 0), log = mem_log(self->mem);
	uint8_t *q = map_frozen(s), page[PAGE];
	struct pollfd fd = { .fd = s, .events = POLLIN };

	ASSERT_GE(s, 0);
	EXPECT_EQ(snapshot_stat(s).limit, 4 * PAGE);
	for (int i = 0; i < 4; i++)
		page_fill(self->p + i * PAGE, i, 2);
	EXPECT_EQ(snapshot_stat(s).error, 0);
	EXPECT_EQ(snapshot_stat(s).copied, 4 * PAGE);
	EXPECT_EQ(wrong_pages(q), 0);
	EXPECT_EQ(wrong_read(s), 0);
	EXPECT_EQ(poll(&fd, 1, 0) ? fd.revents & POLLERR : 0, 0);

	/* One too much. */
	page_fill(self->p + 4 * PAGE, 4, 2);
	EXPECT_TRUE(page_is(self->p + 4 * PAGE, 4, 2));
	EXPECT_EQ(snapshot_stat(s).error, ENOSPC);
	EXPECT_EQ(pread(s, page, PAGE, 0), -1);
	EXPECT_EQ(errno, EIO);
	EXPECT_EQ(pread(s, page, PAGE, 9 * PAGE), -1);
	EXPECT_EQ(errno, EIO);
	EXPECT_EQ(poll(&fd, 1, 0), 1);
	EXPECT_EQ(fd.revents & POLLERR, POLLERR);
	/* Also where the mapping had pages before. */
	EXPECT_EQ(signal_of_read(q), SIGBUS);
	EXPECT_EQ(signal_of_read(q + 4 * PAGE), SIGBUS);
	EXPECT_EQ(signal_of_read(q + 9 * PAGE), SIGBUS);
	/* All others are as they should be. */
	write_all(self->p, 3);
	EXPECT_EQ(wrong_version(self->p, 3), 0);
	EXPECT_EQ(wrong_read(other), 0);
	EXPECT_EQ(snapshot_stat(other).error, 0);
	EXPECT_EQ(log_take(log, malloc(sizeof(struct dirty)), BYTES), PAGES);
	munmap(q, BYTES);
	close(s);
	close(other);
	close(log);
}

/* Who waits for it to fail is woken. */
static void *poll_thread(void *arg)
{
	struct pollfd fd = { .fd = *(int *)arg, .events = 0 };

	return (void *)(intptr_t)(poll(&fd, 1, 20000) == 1 ? fd.revents : 0);
}

TEST_F(mem_snapshot, poll_is_woken)
{
	int s = mem_snapshot(self->mem, PAGE);
	pthread_t thread;
	void *ret;

	pthread_create(&thread, NULL, poll_thread, &s);
	usleep(100000);
	write_all(self->p, 2);
	pthread_join(thread, &ret);
	EXPECT_EQ((intptr_t)ret & POLLERR, POLLERR);
	close(s);
}

TEST_F(mem_snapshot, limit_and_discard)
{
	int s = mem_snapshot(self->mem, 4 * PAGE);

	ASSERT_EQ(mem_discard(self->mem, 0, BYTES), 0);
	for (size_t i = 0; i < PAGES; i++)
		EXPECT_TRUE(page_is_zero(self->p + i * PAGE));
	EXPECT_EQ(snapshot_stat(s).error, ENOSPC);
	close(s);
}

/* A limit that is no multiple of a page; one that is less than a page. */
TEST_F(mem_snapshot, odd_limits)
{
	int s = mem_snapshot(self->mem, PAGE + 1), t;

	ASSERT_GE(s, 0);
	page_fill(self->p, 0, 2);
	EXPECT_EQ(snapshot_stat(s).error, 0);
	page_fill(self->p + PAGE, 1, 2);
	EXPECT_EQ(snapshot_stat(s).error, ENOSPC);
	EXPECT_LE(snapshot_stat(s).copied, PAGE + 1);
	EXPECT_EQ(snapshot_stat(s).limit, PAGE + 1);
	t = mem_snapshot(self->mem, 1);
	ASSERT_GE(t, 0);
	EXPECT_EQ(snapshot_stat(t).error, 0);
	page_fill(self->p, 0, 3);
	EXPECT_EQ(snapshot_stat(t).error, ENOSPC);
	close(s);
	close(t);
}

/* ---- stat ---------------------------------------------------------------- */

TEST_F(mem_snapshot, stat_arguments)
{
	int s = mem_snapshot(self->mem, 0);
	struct {
		struct vireo_snapshot_stat stat;
		uint64_t more[2];
	} a = { .stat.size = sizeof(a) };

	ASSERT_EQ(IOCTL(s, VIREO_SNAPSHOT_STAT, &a), 0);
	EXPECT_EQ(a.stat.size, sizeof(a.stat));
	a.stat.flags = 1;
	EXPECT_EQ(IOCTL(s, VIREO_SNAPSHOT_STAT, &a), -EINVAL);
	a.stat.flags = 0;
	a.stat.size = sizeof(a.stat) - 1;
	EXPECT_EQ(IOCTL(s, VIREO_SNAPSHOT_STAT, &a), -EINVAL);
	EXPECT_EQ(IOCTL(s, VIREO_SNAPSHOT_STAT, NULL), -EFAULT);
	close(s);
}

TEST_F(mem_snapshot, counts_dirtied)
{
	uint64_t before, after;
	int s;

	write_all(self->p, 2);
	s = mem_snapshot(self->mem, 0);
	before = mem_stat(self->mem).dirtied;
	page_fill(self->p, 0, 3);
	page_fill(self->p + PAGE, 1, 3);
	page_fill(self->p + PAGE, 1, 4);
	after = mem_stat(self->mem).dirtied;
	EXPECT_EQ(after - before, 2 * PAGE);
	close(s);
}

TEST_HARNESS_MAIN
