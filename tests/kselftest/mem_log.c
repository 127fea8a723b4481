// SPDX-License-Identifier: GPL-2.0
/*
 * Dirty logs: what is written is reported, whoever writes it and however many
 * ask, and nothing else is.  Writes by the kernel are in mem_io.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kselftest_harness.h"

#include "common.h"
#include "memory.h"

#define BYTES (8UL << 20)
#define PAGES (BYTES / PAGE)

FIXTURE(mem_log)
{
	struct guest *g;
	int guest_ret;
	int dev;
	int mem;
	int vm;
	uint8_t *p;
};

/* With a guest if there can be one; a test asks by NEED_GUEST. */
FIXTURE_SETUP(mem_log)
{
	ASSERT_EQ(object_open(&self->dev, &self->mem, &self->p, BYTES), 0);
	self->g = mmap(NULL, sizeof(*self->g), PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	self->vm = -1;
	self->guest_ret = guest_create(self->g, 1);
	if (self->guest_ret)
		return;
	ASSERT_EQ(guest_map_object(self->g, self->p, BYTES), 0);
	self->vm = vireo_vm_open(self->dev, self->g->vm, "log");
	ASSERT_GE(self->vm, 0);
}

FIXTURE_TEARDOWN(mem_log)
{
	if (!self->guest_ret) {
		close(self->vm);
		guest_destroy(self->g);
	}
	object_close(self->dev, self->mem, self->p, BYTES);
}

#define NEED_GUEST() do {						\
	if (self->guest_ret)						\
		SKIP(return, "no guest: %s", strerror(-self->guest_ret)); \
} while (0)

TEST_F(mem_log, stores)
{
	int log;

	/* Before there is a log; of pages that are there and that are not. */
	page_fill(self->p + 3 * PAGE, 3, 1);
	(void)*(volatile uint8_t *)(self->p + 4 * PAGE);
	log = mem_log(self->mem);
	ASSERT_GE(log, 0);
	EXPECT_TRUE(LOG_IS(log, BYTES));
	page_fill(self->p + 3 * PAGE, 3, 2);
	page_fill(self->p + 4 * PAGE, 4, 2);
	page_fill(self->p + 5 * PAGE, 5, 2);
	EXPECT_TRUE(LOG_IS(log, BYTES, 3, 4, 5));
	EXPECT_TRUE(LOG_IS(log, BYTES));
	/* The last byte of a page, the first of the next. */
	*(uint64_t *)(self->p + 7 * PAGE - 4) = -1;
	EXPECT_TRUE(LOG_IS(log, BYTES, 6, 7));
	/* Reading is no writing. */
	for (size_t i = 0; i < PAGES; i++)
		(void)*(volatile uint8_t *)(self->p + i * PAGE);
	EXPECT_TRUE(LOG_IS(log, BYTES));
	self->p[BYTES - 1] = 1;
	EXPECT_TRUE(LOG_IS(log, BYTES, PAGES - 1));
	/* Whoever took something else by private copying has written nothing. */
	uint8_t *q = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE,
			  self->mem, 0);
	memset(q, 1, BYTES);
	munmap(q, BYTES);
	EXPECT_TRUE(LOG_IS(log, BYTES));
	close(log);
}

TEST_F(mem_log, vcpu_stores)
{
	int log = mem_log(self->mem);

	NEED_GUEST();
	ASSERT_EQ(guest_store(self->g, 5 * PAGE + 8, 77), 0);
	EXPECT_EQ(*(uint64_t *)(self->p + 5 * PAGE + 8), 77);
	EXPECT_TRUE(LOG_IS(log, BYTES, 5));
	EXPECT_TRUE(LOG_IS(log, BYTES));
	/* The second write to the same page, the first of a neighbour. */
	ASSERT_EQ(guest_store(self->g, 5 * PAGE, 78), 0);
	ASSERT_EQ(guest_store(self->g, 6 * PAGE, 78), 0);
	EXPECT_TRUE(LOG_IS(log, BYTES, 5, 6));

	guest_reset(self->g);
	guest_add(self->g, 0, GUEST_READ, 8, GUEST_OBJECT + 9 * PAGE, 0);
	ASSERT_EQ(guest_run(self->g, 0), 0);
	EXPECT_TRUE(LOG_IS(log, BYTES));
	/* A string that crosses pages; and one that reads. */
	guest_reset(self->g);
	guest_add(self->g, 0, GUEST_STORE, 8, GUEST_OBJECT + 20 * PAGE - 16,
		  GUEST_BUFFER)->repeat = 4;
	guest_add(self->g, 0, GUEST_LOAD, 8, GUEST_OBJECT + 30 * PAGE - 16,
		  GUEST_BUFFER)->repeat = 4;
	ASSERT_EQ(guest_run(self->g, 0), 0);
	EXPECT_TRUE(LOG_IS(log, BYTES, 19, 20));
	close(log);
}

/* The guest's page of a store is there, mapped, when the log is opened. */
TEST_F(mem_log, vcpu_that_could_write_already)
{
	int log, second;

	NEED_GUEST();
	ASSERT_EQ(guest_store(self->g, 5 * PAGE, 1), 0);
	ASSERT_EQ(guest_store(self->g, 6 * PAGE, 1), 0);
	log = mem_log(self->mem);
	ASSERT_EQ(guest_store(self->g, 5 * PAGE, 2), 0);
	EXPECT_TRUE(LOG_IS(log, BYTES, 5));
	ASSERT_EQ(guest_store(self->g, 5 * PAGE, 3), 0);
	second = mem_log(self->mem);
	ASSERT_EQ(guest_store(self->g, 5 * PAGE, 4), 0);
	EXPECT_TRUE(LOG_IS(second, BYTES, 5));
	EXPECT_TRUE(LOG_IS(log, BYTES, 5));
	close(second);
	close(log);
}

TEST_F(mem_log, pwrite)
{
	int log = mem_log(self->mem);
	char text[PAGE] = "text";

	ASSERT_EQ(pwrite(self->mem, text, 4, 8 * PAGE - 2), 4);
	EXPECT_TRUE(LOG_IS(log, BYTES, 7, 8));
	ASSERT_EQ(pwrite(self->mem, text, PAGE, 8 * PAGE), PAGE);
	EXPECT_TRUE(LOG_IS(log, BYTES, 8));
	EXPECT_EQ(pwrite(self->mem, text, 0, 9 * PAGE), 0);
	ASSERT_EQ(pread(self->mem, text, PAGE, 10 * PAGE), PAGE);
	EXPECT_TRUE(LOG_IS(log, BYTES));
	close(log);
}

/* By guest-physical address: 3 pages, a hole, one page read-only. */
TEST_F(mem_log, guest_physical)
{
	const uint64_t gpa = 0x100000000;
	struct vireo_mem_map m = {
		.size = sizeof(m), .gpa = gpa, .len = 3 * PAGE,
		.offset = 10 * PAGE, .mem_fd = self->mem,
	};
	int log = mem_log(self->mem);
	uint8_t page[5 * PAGE];

	NEED_GUEST();
	memset(page, 0x77, sizeof(page));
	EXPECT_EQ(pwrite(self->vm, page, 8, gpa), -1);
	EXPECT_EQ(errno, EFAULT);
	ASSERT_EQ(IOCTL(self->vm, VIREO_MEM_MAP, &m), 0);
	m.gpa = gpa + 4 * PAGE;
	m.len = PAGE;
	m.offset = 20 * PAGE;
	m.flags = VIREO_MEM_MAP_READONLY;
	ASSERT_EQ(IOCTL(self->vm, VIREO_MEM_MAP, &m), 0);

	EXPECT_EQ(pwrite(self->vm, page, 8, gpa + 2 * PAGE - 4), 8);
	EXPECT_EQ(self->p[12 * PAGE - 4], 0x77);
	EXPECT_EQ(self->p[12 * PAGE + 3], 0x77);
	EXPECT_EQ(self->p[12 * PAGE + 4], 0);
	EXPECT_TRUE(LOG_IS(log, BYTES, 11, 12));
	/* What is not mapped, what is not to be written. */
	EXPECT_EQ(pwrite(self->vm, page, 8, gpa + 3 * PAGE), -1);
	EXPECT_EQ(errno, EFAULT);
	EXPECT_EQ(pwrite(self->vm, page, 8, gpa + 4 * PAGE), -1);
	EXPECT_EQ(errno, EFAULT);
	EXPECT_EQ(pwrite(self->vm, page, 8, gpa - 8), -1);
	EXPECT_EQ(pwrite(self->vm, page, 8, gpa + 5 * PAGE), -1);
	EXPECT_EQ(pread(self->vm, page, 8, gpa + 3 * PAGE), -1);
	EXPECT_EQ(errno, EFAULT);
	EXPECT_EQ(pread(self->vm, page, 8, 0x7ffffffffffff000), -1);
	EXPECT_TRUE(LOG_IS(log, BYTES));
	/* Into the hole: up to it, or nothing. */
	EXPECT_LE(pwrite(self->vm, page, 2 * PAGE, gpa + 2 * PAGE), (int)PAGE);
	EXPECT_LE(log_take(log, malloc(sizeof(struct dirty)), BYTES), 1);

	page_fill(self->p + 20 * PAGE, 20, 3);
	EXPECT_TRUE(LOG_IS(log, BYTES, 20));
	ASSERT_EQ(pread(self->vm, page, PAGE, gpa + 4 * PAGE), PAGE);
	EXPECT_TRUE(page_is(page, 20, 3));
	ASSERT_EQ(pread(self->vm, page, 2 * PAGE, gpa + PAGE), 2 * PAGE);
	EXPECT_EQ(memcmp(page, self->p + 11 * PAGE, 2 * PAGE), 0);
	EXPECT_TRUE(LOG_IS(log, BYTES));

	m = (struct vireo_mem_map){
		.size = sizeof(m), .gpa = gpa, .len = 3 * PAGE,
	};
	ASSERT_EQ(IOCTL(self->vm, VIREO_MEM_UNMAP, &m), 0);
	EXPECT_EQ(pwrite(self->vm, page, 8, gpa), -1);
	EXPECT_EQ(errno, EFAULT);
	EXPECT_EQ(pread(self->vm, page, 8, gpa + 4 * PAGE), 8);
	close(log);
}

/* The object goes with its descriptor and its mapping; the VM still has it. */
TEST_F(mem_log, guest_physical_keeps_the_object)
{
	int mem = mem_create(self->dev, BYTES, 0);
	uint64_t v = 0x1234;

	NEED_GUEST();
	ASSERT_EQ(mem_tell(self->vm, mem, 1ULL << 32, BYTES, 0), 0);
	ASSERT_EQ(pwrite(self->vm, &v, 8, (1ULL << 32) + PAGE), 8);
	close(mem);
	v = 0;
	ASSERT_EQ(pread(self->vm, &v, 8, (1ULL << 32) + PAGE), 8);
	EXPECT_EQ(v, 0x1234);
}

/* ---- several logs -------------------------------------------------------- */

TEST_F(mem_log, are_independent)
{
	int log[VIREO_MAX_LOGS], i;

	for (i = 0; i < VIREO_MAX_LOGS; i++) {
		log[i] = mem_log(self->mem);
		ASSERT_GE(log[i], 0);
		page_fill(self->p + i * PAGE, i, 1);
	}
	/* Each has what was written since it was opened. */
	EXPECT_TRUE(LOG_IS(log[0], BYTES, 0, 1, 2, 3, 4, 5, 6, 7));
	EXPECT_TRUE(LOG_IS(log[7], BYTES, 7));
	EXPECT_TRUE(LOG_IS(log[4], BYTES, 4, 5, 6, 7));
	page_fill(self->p + 5 * PAGE, 5, 2);
	EXPECT_TRUE(LOG_IS(log[4], BYTES, 5));
	EXPECT_TRUE(LOG_IS(log[0], BYTES, 5));
	EXPECT_TRUE(LOG_IS(log[6], BYTES, 5, 6, 7));
	close(log[5]);
	page_fill(self->p + 9 * PAGE, 9, 2);
	EXPECT_TRUE(LOG_IS(log[7], BYTES, 5, 9));
	/* A new one in the place of the old begins empty. */
	log[5] = mem_log(self->mem);
	EXPECT_TRUE(LOG_IS(log[5], BYTES));
	page_fill(self->p + 9 * PAGE, 9, 3);
	EXPECT_TRUE(LOG_IS(log[5], BYTES, 9));
	EXPECT_TRUE(LOG_IS(log[1], BYTES, 1, 2, 3, 4, 5, 6, 7, 9));
	for (i = 0; i < VIREO_MAX_LOGS; i++)
		close(log[i]);
}

/* ---- fetching ------------------------------------------------------------ */

TEST_F(mem_log, fetches_ranges)
{
	int log = mem_log(self->mem);
	struct dirty d;

	for (size_t i = 0; i < PAGES; i += 3)
		page_fill(self->p + i * PAGE, i, 1);
	/* Less than a word of the second huge page: the rest of it is 0. */
	ASSERT_EQ(log_fetch(log, &d, HUGE, 10 * PAGE, 0), 0);
	/* 513, 516, 519: bits 1, 4, 7 */
	EXPECT_EQ(d.map[0], 0x92);
	EXPECT_EQ(d.map[1], ~0ULL);
	EXPECT_EQ(d.huge[0], 0);
	EXPECT_EQ(d.pages, 3);
	ASSERT_EQ(log_fetch(log, &d, HUGE, 10 * PAGE, 0), 0);
	EXPECT_EQ(d.pages, 0);
	/* The others are still there. */
	ASSERT_EQ(log_fetch(log, &d, 0, BYTES, VIREO_DIRTY_PEEK), 0);
	EXPECT_EQ(d.pages, (PAGES + 2) / 3 - 3);
	EXPECT_FALSE(dirty_page(&d, 513));
	EXPECT_TRUE(dirty_page(&d, 510));
	EXPECT_TRUE(dirty_page(&d, 522));
	EXPECT_EQ(d.map[PAGES / 64], ~0ULL);
	ASSERT_EQ(log_fetch(log, &d, BYTES - HUGE, HUGE, 0), 0);
	EXPECT_EQ(d.pages, 171);
	EXPECT_EQ(log_take(log, &d, BYTES), (PAGES + 2) / 3 - 3 - 171);
	EXPECT_EQ(log_take(log, &d, BYTES), 0);
	close(log);
}

TEST_F(mem_log, peeks)
{
	int log = mem_log(self->mem);
	struct dirty d;

	page_fill(self->p, 0, 1);
	for (int i = 0; i < 3; i++) {
		ASSERT_EQ(log_fetch(log, &d, 0, BYTES, VIREO_DIRTY_PEEK), 0);
		EXPECT_EQ(d.pages, 1);
		EXPECT_EQ(d.map[0], 1);
	}
	/* It was not made read-only meanwhile, nor was it forgotten. */
	page_fill(self->p, 0, 2);
	EXPECT_TRUE(LOG_IS(log, BYTES, 0));
	close(log);
}

/* The bitmap ends where nothing is mapped: what was not given is still there. */
TEST_F(mem_log, fault_loses_nothing)
{
	const size_t bytes = 256UL << 20;
	int mem = mem_create(self->dev, bytes, 0), log;
	uint8_t *p = mem_map(mem, bytes), *at;
	struct vireo_dirty_fetch f = { .size = sizeof(f) };
	size_t i, room;

	ASSERT_NE(p, NULL);
	log = mem_log(mem);
	ASSERT_GE(log, 0);
	for (i = 0; i < bytes; i += HUGE)
		p[i + PAGE] = 1;
	/* 8 KiB of bitmap, of which the end cannot be written. */
	at = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE,
		  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_EQ(mprotect(at + 3 * PAGE, PAGE, PROT_READ), 0);
	settle();
	for (room = 8; room < 2 * PAGE; room += 712) {
		f.bitmap = (uintptr_t)at + 3 * PAGE - room;
		f.start = 0;
		f.len = bytes;
		memset(at, 0, 3 * PAGE);
		ASSERT_EQ(IOCTL(log, VIREO_DIRTY_FETCH, &f), -EFAULT);
		ASSERT_LE(f.done, room * 8 * PAGE);
		EXPECT_EQ(f.done % HUGE, 0);
		EXPECT_EQ(f.pages, f.done / HUGE);
		for (i = 0; i < f.done / HUGE; i++)
			EXPECT_EQ(((uint64_t *)(at + 3 * PAGE - room))[i * 8],
				  2);
		/* What was given is gone, the rest is not. */
		f.start = f.done;
		f.len = bytes - f.done;
		f.bitmap = (uintptr_t)at;
		f.flags = VIREO_DIRTY_PEEK;
		ASSERT_EQ(IOCTL(log, VIREO_DIRTY_FETCH, &f), 0);
		EXPECT_EQ(f.pages, f.len / HUGE);
		for (i = 0; i < f.len / HUGE; i++)
			EXPECT_EQ(((uint64_t *)at)[i * 8], 2);
		f.flags = 0;
		ASSERT_EQ(IOCTL(log, VIREO_DIRTY_FETCH, &f), 0);
		for (i = 0; i < bytes; i += HUGE)
			p[i + PAGE]++;
		settle();
	}
	/* Where the other bitmap cannot be written. */
	f = (struct vireo_dirty_fetch){
		.size = sizeof(f), .len = bytes, .bitmap = (uintptr_t)at,
		.huge = 16,
	};
	EXPECT_EQ(IOCTL(log, VIREO_DIRTY_FETCH, &f), -EFAULT);
	f.start = f.done;
	f.len -= f.done;
	f.huge = 0;
	ASSERT_EQ(IOCTL(log, VIREO_DIRTY_FETCH, &f), 0);
	EXPECT_EQ(f.pages, f.len / HUGE);
	munmap(p, bytes);
	close(log);
	close(mem);
}

/* The bitmap is in the memory that it is about. */
TEST_F(mem_log, fetches_into_itself)
{
	struct vireo_dirty_fetch f = {
		.size = sizeof(f), .len = BYTES,
		.bitmap = (uintptr_t)self->p,
	};
	int log = mem_log(self->mem);

	page_fill(self->p + 9 * PAGE, 9, 1);
	ASSERT_EQ(IOCTL(log, VIREO_DIRTY_FETCH, &f), 0);
	EXPECT_EQ(((uint64_t *)self->p)[0] & 1 << 9, 1 << 9);
	/* Writing it was a write. */
	EXPECT_TRUE(LOG_IS(log, BYTES, 0));
	close(log);
}

TEST_F(mem_log, discard)
{
	int log;

	for (size_t i = 0; i < 8; i++)
		page_fill(self->p + i * PAGE, i, 1);
	log = mem_log(self->mem);
	page_fill(self->p + 2 * PAGE, 2, 2);
	EXPECT_EQ(mem_discard(self->mem, 2 * PAGE, 2 * PAGE), 0);
	/* Pages that became zeros are not what they were. */
	EXPECT_TRUE(LOG_IS(log, BYTES, 2, 3));
	(void)*(volatile uint8_t *)(self->p + 2 * PAGE);
	EXPECT_TRUE(LOG_IS(log, BYTES));
	page_fill(self->p + 2 * PAGE, 2, 3);
	EXPECT_TRUE(LOG_IS(log, BYTES, 2));
	EXPECT_EQ(mem_prefault(self->mem, 0, BYTES), 0);
	EXPECT_TRUE(LOG_IS(log, BYTES));
	close(log);
}

TEST_F(mem_log, huge_pages)
{
	int mem = mem_create(self->dev, BYTES, VIREO_MEM_HUGE), log;
	struct dirty d;
	uint8_t *p;

	ASSERT_EQ(mem_prefault(mem, 0, BYTES), 0);
	if (mem_stat(mem).huge != BYTES)
		SKIP(return, "no huge pages to be had");
	p = mem_map_aligned(mem, BYTES);
	ASSERT_NE(p, NULL);
	log = mem_log(mem);
	ASSERT_GE(log, 0);
	p[HUGE + 7 * PAGE] = 1;
	ASSERT_EQ(log_take(log, &d, BYTES), 512);
	EXPECT_EQ(d.huge[0], 2);
	EXPECT_TRUE(dirty_page(&d, 512));
	EXPECT_TRUE(dirty_page(&d, 1023));
	EXPECT_EQ(mem_stat(mem).huge, BYTES);
	EXPECT_EQ(log_take(log, &d, BYTES), 0);
	EXPECT_EQ(d.huge[0], 0);
	/* Again, after it was clean. */
	p[HUGE + 8 * PAGE] = 1;
	p[2 * HUGE] = 1;
	ASSERT_EQ(log_take(log, &d, BYTES), 1024);
	EXPECT_EQ(d.huge[0], 6);
	EXPECT_EQ(mem_stat(mem).huge, BYTES);

	/* By the module itself, page by page. */
	ASSERT_EQ(pwrite(mem, "x", 1, 3 * HUGE + 5 * PAGE), 1);
	ASSERT_GE(log_take(log, &d, BYTES), 1);
	EXPECT_TRUE(dirty_page(&d, 3 * 512 + 5));

	/* A vCPU. */
	if (!self->guest_ret) {
		struct guest g;

		ASSERT_EQ(guest_create(&g, 1), 0);
		ASSERT_EQ(guest_map_object(&g, p, BYTES), 0);
		ASSERT_EQ(guest_store(&g, 2 * HUGE + 9 * PAGE, 5), 0);
		ASSERT_GE(log_take(log, &d, BYTES), 1);
		EXPECT_TRUE(dirty_page(&d, 2 * 512 + 9));
		EXPECT_FALSE(dirty_page(&d, 0));
		ASSERT_EQ(guest_store(&g, 2 * HUGE + 9 * PAGE, 6), 0);
		ASSERT_GE(log_take(log, &d, BYTES), 1);
		EXPECT_TRUE(dirty_page(&d, 2 * 512 + 9));
		guest_destroy(&g);
	}
	munmap(p, BYTES);
	close(log);
	close(mem);
}

/* ---- under writers ------------------------------------------------------- */

#define WRITERS 3
#define SMALL_PAGES 256

struct writers {
	uint64_t *p;
	int mem, dev;
	bool stop, discards;
	uint64_t count[WRITERS];
};

struct writer {
	struct writers *all;
	int n;
};

static uint64_t next_random(uint64_t *state)
{
	*state = *state * 6364136223846793005ULL + 1442695040888963407ULL;
	return *state >> 33;
}

/* Each in words of its own, of pages of all. */
static void *write_at_random(void *arg)
{
	struct writer *w = arg;
	struct writers *a = w->all;
	uint64_t state = w->n + 1, page, v;

	for (v = 1; !__atomic_load_n(&a->stop, __ATOMIC_RELAXED); v++) {
		page = next_random(&state) % SMALL_PAGES;
		if (w->n == 1) {
			pwrite(a->mem, &v, 8, page * PAGE + w->n * 8);
		} else {
			__atomic_store_n(a->p + page * PAGE / 8 + w->n, v,
					 __ATOMIC_RELAXED);
		}
		if (a->discards && w->n == 2 && !(v & 255))
			mem_discard(a->mem, page * PAGE, PAGE);
		a->count[w->n]++;
	}
	return NULL;
}

static int rounds(int standard)
{
	const char *s = getenv("VIREO_ROUNDS");

	return s ? atoi(s) : standard;
}

/*
 * Copies what was reported and nothing else, as a migration does: at last the
 * copy is the memory.  A copy that is torn was written meanwhile, so is
 * reported the next time.
 */
static void copy_reported(int log, uint8_t *copy, const uint8_t *from)
{
	struct dirty d;

	if (log_take(log, &d, SMALL_PAGES * PAGE) < 0)
		abort();
	for (size_t i = 0; i < SMALL_PAGES; i++)
		if (dirty_page(&d, i))
			memcpy(copy + i * PAGE, from + i * PAGE, PAGE);
}

/* How many differ; the first is shown. */
static int compare_pages(int log, const uint8_t *copy, const uint8_t *p)
{
	const uint64_t *a, *b;
	int wrong = 0;

	for (size_t n = 0; n < SMALL_PAGES; n++) {
		if (!memcmp(copy + n * PAGE, p + n * PAGE, PAGE))
			continue;
		a = (const uint64_t *)(copy + n * PAGE);
		b = (const uint64_t *)(p + n * PAGE);
		if (!wrong++)
			for (int w = 0; w < WRITERS; w++)
				fprintf(stderr,
					"# log %d, page %zu, writer %d: %llu, reported %llu\n",
					log, n, w, (unsigned long long)b[w],
					(unsigned long long)a[w]);
	}
	return wrong;
}

static int compare_under_writers(struct writers *a, int dev, uint32_t flags)
{
	const size_t bytes = SMALL_PAGES * PAGE;
	size_t round = flags ? HUGE : bytes;
	uint8_t *copy[2], *p;
	struct writer w[WRITERS];
	pthread_t thread[WRITERS];
	int log[2], i, wrong = 0;

	a->dev = dev;
	a->mem = mem_create(dev, round, flags);
	if (flags && mem_prefault(a->mem, 0, round))
		return -1;
	p = mem_map(a->mem, bytes);
	a->p = (uint64_t *)p;
	for (i = 0; i < 2; i++) {
		log[i] = mem_log(a->mem);
		copy[i] = calloc(1, bytes);
	}
	if (!p || log[0] < 0 || log[1] < 0)
		return -1;
	for (i = 0; i < WRITERS; i++) {
		w[i] = (struct writer){ a, i };
		pthread_create(&thread[i], NULL, write_at_random, &w[i]);
	}
	for (i = 0; i < rounds(100); i++) {
		copy_reported(log[0], copy[0], p);
		if (i % 3 == 0)
			copy_reported(log[1], copy[1], p);
		usleep(500);
	}
	__atomic_store_n(&a->stop, true, __ATOMIC_RELAXED);
	for (i = 0; i < WRITERS; i++)
		pthread_join(thread[i], NULL);
	for (i = 0; i < 2; i++) {
		copy_reported(log[i], copy[i], p);
		wrong += compare_pages(i, copy[i], p);
		free(copy[i]);
		close(log[i]);
	}
	munmap(p, bytes);
	close(a->mem);
	return wrong;
}

TEST_F_TIMEOUT(mem_log, loses_nothing, 600)
{
	struct writers a = {};

	EXPECT_EQ(compare_under_writers(&a, self->dev, 0), 0);
	for (int i = 0; i < WRITERS; i++)
		EXPECT_GT(a.count[i], 0);
}

TEST_F_TIMEOUT(mem_log, loses_nothing_of_huge_pages, 600)
{
	struct writers a = {};

	EXPECT_EQ(compare_under_writers(&a, self->dev, VIREO_MEM_HUGE), 0);
}

TEST_F_TIMEOUT(mem_log, loses_nothing_with_discards, 600)
{
	struct writers a = { .discards = true };

	EXPECT_EQ(compare_under_writers(&a, self->dev, 0), 0);
}

struct vcpu_writer {
	struct guest *g;
	bool stop;
};

/* 64 pages get one more, in turn; again and again. */
static void *run_vcpu(void *arg)
{
	struct vcpu_writer *w = arg;

	while (!__atomic_load_n(&w->stop, __ATOMIC_RELAXED))
		if (guest_run(w->g, 0))
			return w;
	return NULL;
}

TEST_F_TIMEOUT(mem_log, loses_nothing_of_a_vcpu, 600)
{
	struct vcpu_writer w = { .g = self->g };
	const size_t bytes = SMALL_PAGES * PAGE;
	uint8_t *copy = calloc(1, bytes);
	int log = mem_log(self->mem);
	pthread_t thread;
	void *ret;

	NEED_GUEST();
	guest_reset(self->g);
	for (int i = 0; i < SMALL_PAGES; i++)
		guest_add(self->g, 0, GUEST_ADD, 8, GUEST_OBJECT + i * PAGE, 1);
	pthread_create(&thread, NULL, run_vcpu, &w);
	for (int i = 0; i < rounds(100); i++) {
		copy_reported(log, copy, self->p);
		usleep(500);
	}
	__atomic_store_n(&w.stop, true, __ATOMIC_RELAXED);
	pthread_join(thread, &ret);
	EXPECT_EQ(ret, NULL);
	copy_reported(log, copy, self->p);
	EXPECT_GT(*(uint64_t *)self->p, 0);
	for (size_t n = 0; n < SMALL_PAGES; n++)
		EXPECT_EQ(memcmp(copy + n * PAGE, self->p + n * PAGE, PAGE), 0);
	free(copy);
	close(log);
}

TEST_HARNESS_MAIN
