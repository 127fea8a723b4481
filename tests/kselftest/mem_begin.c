// SPDX-License-Identifier: GPL-2.0
/*
 * A log or a snapshot begins while pages of the object are being mapped.  One
 * that is only read is mapped writable as long as nobody tracks, so that its
 * reader writes it without another fault: what is written after the beginning is
 * reported all the same, and does not change the snapshot.
 *
 * VIREO_ROUNDS says how often each begins: three times that many (100).
 *
 * A fault in flight is seen where there are two processors, or where the kernel
 * can be preempted (tools/lab --cpus 2, --kernel debug).
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kselftest_harness.h"

#include "common.h"
#include "memory.h"

/* Each has a huge page of the object, in a mapping of its own. */
#define READERS 3
#define BYTES (READERS * HUGE)
/* Of each, this many pages are used. */
#define PAGES 32
#define NR_WORDS (READERS * PAGES)

struct reader {
	uint8_t *p;
	bool stop;
	uint64_t turns;
	pthread_t thread;
};

struct race {
	int dev, mem;
	uint8_t *p;
	struct reader reader[READERS];
};

/* Offset of the word of each page that is counted up, of all readers. */
static size_t offset_of(int n)
{
	return n / PAGES * HUGE + n % PAGES * PAGE;
}

/* Each page is read, not being mapped, and then written, again and again. */
static void *read_and_write(void *arg)
{
	struct reader *r = arg;
	volatile uint64_t *word;

	while (!__atomic_load_n(&r->stop, __ATOMIC_RELAXED)) {
		madvise(r->p, HUGE, MADV_DONTNEED);
		for (int i = 0; i < 8 * PAGES; i++) {
			word = (volatile uint64_t *)(r->p + i % PAGES * PAGE);
			*word = *word + 1;
		}
		__atomic_fetch_add(&r->turns, 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

static int race_open(struct race *race, uint32_t flags)
{
	race->dev = vireo_open();
	race->mem = mem_create(race->dev, BYTES, flags);
	if (race->mem < 0)
		return race->mem;
	race->p = mem_map_aligned(race->mem, BYTES);
	if (!race->p || mem_prefault(race->mem, 0, BYTES))
		return -ENOMEM;
	if (flags & VIREO_MEM_HUGE && mem_stat(race->mem).huge != BYTES)
		return -ENOMEM;
	for (int i = 0; i < READERS; i++) {
		struct reader *r = &race->reader[i];

		r->p = mem_map_aligned(race->mem, BYTES);
		if (!r->p)
			return -ENOMEM;
		r->p += i * HUGE;
		pthread_create(&r->thread, NULL, read_and_write, r);
		while (!__atomic_load_n(&r->turns, __ATOMIC_RELAXED))
			usleep(100);
	}
	return 0;
}

/* Whether all of them went on. */
static bool race_close(struct race *race)
{
	bool all = true;

	for (int i = 0; i < READERS; i++) {
		struct reader *r = &race->reader[i];

		__atomic_store_n(&r->stop, true, __ATOMIC_RELAXED);
		pthread_join(r->thread, NULL);
		munmap(r->p - i * HUGE, BYTES);
		all &= r->turns > 1;
	}
	munmap(race->p, BYTES);
	close(race->mem);
	close(race->dev);
	return all;
}

/* The words as they are now. */
static bool look(struct race *race, int snapshot, uint64_t *words)
{
	for (int n = 0; n < NR_WORDS; n++)
		if (snapshot < 0)
			words[n] = *(volatile uint64_t *)(race->p +
							  offset_of(n));
		else if (pread(snapshot, words + n, 8, offset_of(n)) != 8)
			return false;
	return true;
}

static int wrong(int round, int n, uint64_t before, uint64_t after)
{
	fprintf(stderr, "# round %d, word %d: %llu became %llu\n", round, n,
		(unsigned long long)before, (unsigned long long)after);
	return 1;
}

/* What is written between two looks is in the log when it is taken then. */
static int log_round(struct race *race, int round)
{
	struct vireo_dirty_log arg = { .size = sizeof(arg) };
	int log = IOCTL(race->mem, VIREO_MEM_DIRTY_LOG, &arg), bad = 0;
	uint64_t before[NR_WORDS], after[NR_WORDS];
	struct dirty d;

	if (log < 0)
		return 1;
	look(race, -1, before);
	usleep(round % 8 * 50);
	look(race, -1, after);
	if (log_take(log, &d, BYTES) < 0)
		bad = 1;
	for (int n = 0; n < NR_WORDS && !bad; n++)
		if (before[n] != after[n] && !dirty_page(&d, offset_of(n) / PAGE))
			bad = wrong(round, n, before[n], after[n]);
	close(log);
	return bad;
}

static int snapshot_round(struct race *race, int round)
{
	int fd = mem_snapshot(race->mem, 0), bad = 0;
	uint64_t before[NR_WORDS], after[NR_WORDS];

	if (fd < 0)
		return 1;
	bad |= !look(race, fd, before);
	usleep(round % 8 * 50);
	bad |= !look(race, fd, after);
	for (int n = 0; n < NR_WORDS && !bad; n++)
		if (before[n] != after[n])
			bad = wrong(round, n, before[n], after[n]);
	close(fd);
	return bad;
}

FIXTURE(mem_begin)
{
};

FIXTURE_VARIANT(mem_begin)
{
	uint32_t flags;
	int (*round)(struct race *race, int round);
};

FIXTURE_VARIANT_ADD(mem_begin, log) { 0, log_round };
FIXTURE_VARIANT_ADD(mem_begin, log_huge) { VIREO_MEM_HUGE, log_round };
FIXTURE_VARIANT_ADD(mem_begin, snapshot) { 0, snapshot_round };
FIXTURE_VARIANT_ADD(mem_begin, snapshot_huge) { VIREO_MEM_HUGE, snapshot_round };

FIXTURE_SETUP(mem_begin)
{
}

FIXTURE_TEARDOWN(mem_begin)
{
}

TEST_F_TIMEOUT(mem_begin, while_pages_are_mapped, 3600)
{
	const char *rounds = getenv("VIREO_ROUNDS");
	int ret, i, n = 3 * (rounds ? atoi(rounds) : 100);
	static struct race race;

	ret = race_open(&race, variant->flags);
	if (ret == -ENOMEM && variant->flags)
		SKIP(return, "no huge pages to be had");
	ASSERT_EQ(ret, 0);
	for (i = 0; i < n && !ret; i++) {
		ret = variant->round(&race, i);
		usleep(i % 5 * 100);
	}
	EXPECT_EQ(ret, 0);
	fprintf(stderr, "# %d rounds, %llu turns\n", i,
		(unsigned long long)race.reader[0].turns);
	EXPECT_TRUE(race_close(&race));
}

TEST_HARNESS_MAIN
