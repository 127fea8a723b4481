// SPDX-License-Identifier: GPL-2.0
/*
 * A snapshot is the memory of one instant: of many that are taken while
 * threads and vCPUs write, each must be a state that the memory can have been
 * in.  What is written is such that this can be told:
 *
 *  - Writer w writes 1, 2, 3, ... into words of its own, of page after page in
 *    an order that is known.  If the newest number in a snapshot is m, then all
 *    up to m are there, each where it belongs: nothing is older than the
 *    instant, and nothing newer.  And m is at least what was done when arming
 *    began, and at most what was begun when it had ended.
 *  - Before each write, a writer adds 1 to a clock, a word of the same memory.
 *    A writer has at most one step of the clock that it has not written yet:
 *
 *	sum of all m  <=  clock  <=  sum of all m + writers
 *
 *    which a cut through several writers breaks if it is not straight.
 *  - Followers copy the clock, and each other: who comes later is never ahead.
 *  - One writes a page, counts, discards it and counts again.
 *  - A vCPU adds 1 to a word of page after page: the words never increase from
 *    one page to the next, and the first is at most one ahead of the last.
 *
 * VIREO_ROUNDS says how many snapshots each test takes (100).
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "kselftest_harness.h"

#include "common.h"
#include "memory.h"

#define BYTES (48UL << 20)
/*
 * What is looked at is the first and the last of this many bytes: far from each
 * other, they are not armed at once.
 */
#define PART HUGE
#define LAST_PART (BYTES - PART)
#define WORDS (PAGE / 8)
#define WRITERS 3
#define FOLLOWERS 2
#define VCPUS 2

/* Where things are: pages, and words of pages. */
#define FAR (LAST_PART / PAGE)
#define FIRST_PAGE 8
#define NR_PAGES 192
#define SCRATCH_PAGE 256
#define NR_SCRATCH 8
#define CLOCK_PAGE (FAR + 400)
#define FOLLOWER_PAGE(n) ((n) ? 2 : FAR + 402)
#define COUNT_PAGE (FAR + 406)
#define WRITER_WORD(w) (1 + (w))
#define VCPU_WORD(v) (64 + (v))

struct instant {
	int dev, mem, log;
	uint64_t *p;
	bool stop;
	struct guest *g;	/* or NULL */
	/* In memory that no snapshot has. */
	uint64_t begun[WRITERS], done[WRITERS];
	/* What is done beside, and how a snapshot is looked at. */
	bool discards, logs, maps;
	uint8_t *copy;		/* by what the log reports */
	const char *why;	/* the first thing that is wrong */
	char text[160];
};

struct thread {
	struct instant *in;
	int n;
	pthread_t thread;
};

static bool stopped(const struct instant *in)
{
	return __atomic_load_n(&in->stop, __ATOMIC_RELAXED);
}

static uint64_t *word(uint64_t *p, size_t page, size_t n)
{
	return p + page * WORDS + n;
}

#define LOAD(at) __atomic_load_n(at, __ATOMIC_ACQUIRE)
#define STORE(at, v) __atomic_store_n(at, v, __ATOMIC_RELEASE)

/* ---- who writes ---------------------------------------------------------- */

/* Page n of those that are written: half of them are far. */
static size_t nth_page(size_t n)
{
	return FIRST_PAGE + n + (n % 2 ? FAR : 0);
}

/* The page that number n of a writer goes to. */
static size_t page_of(int w, uint64_t n)
{
	return nth_page((n * 37 + w * 61) % NR_PAGES);
}

static void *write_numbers(void *arg)
{
	struct thread *t = arg;
	struct instant *in = t->in;
	uint64_t n;

	for (n = 1; !stopped(in); n++) {
		uint64_t *at = word(in->p, page_of(t->n, n), WRITER_WORD(t->n));

		STORE(&in->begun[t->n], n);
		__atomic_fetch_add(word(in->p, CLOCK_PAGE, 0), 1,
				   __ATOMIC_SEQ_CST);
		/* One lets the kernel write, sometimes. */
		if (t->n != 1 || n % 3)
			STORE(at, n);
		else if (pwrite(in->mem, &n, 8, (uint8_t *)at -
				(uint8_t *)in->p) != 8)
			return "pwrite fails";
		STORE(&in->done[t->n], n);
	}
	return NULL;
}

static void *follow(void *arg)
{
	struct thread *t = arg;
	struct instant *in = t->in;
	uint64_t *from = t->n ? word(in->p, FOLLOWER_PAGE(t->n - 1), 0) :
				word(in->p, CLOCK_PAGE, 0);

	while (!stopped(in))
		STORE(word(in->p, FOLLOWER_PAGE(t->n), 0), LOAD(from));
	return NULL;
}

static void *write_and_discard(void *arg)
{
	struct thread *t = arg;
	struct instant *in = t->in;
	uint64_t v, *count = word(in->p, COUNT_PAGE, 0);

	for (v = 1; !stopped(in); v++) {
		size_t page = SCRATCH_PAGE + v % NR_SCRATCH;

		STORE(word(in->p, page, 5), v);
		STORE(count, 2 * v);
		if (mem_discard(in->mem, page * PAGE, PAGE))
			return "discard fails";
		STORE(count, 2 * v + 1);
	}
	return NULL;
}

static void *run_vcpu(void *arg)
{
	struct thread *t = arg;

	while (!stopped(t->in))
		if (guest_run(t->in->g, t->n))
			return "a vCPU fails";
	return NULL;
}

static void take_log(struct instant *in)
{
	struct dirty *d = malloc(sizeof(*d));

	if (log_take(in->log, d, BYTES) < 0)
		abort();
	for (size_t i = 0; i < BYTES / PAGE; i++)
		if (dirty_page(d, i))
			memcpy(in->copy + i * PAGE, in->p + i * WORDS, PAGE);
	free(d);
}

static void *take_logs(void *arg)
{
	struct thread *t = arg;

	while (!stopped(t->in)) {
		take_log(t->in);
		usleep(300);
	}
	return NULL;
}

/* ---- what must hold ------------------------------------------------------ */

#define WRONG(...) do {							\
	snprintf(in->text, sizeof(in->text), __VA_ARGS__);		\
	in->why = in->text;						\
	return;								\
} while (0)

typedef unsigned long long ull;

/* The newest number of a writer, after a look at all the others. */
static uint64_t check_writer(struct instant *in, uint64_t *s, int w)
{
	uint64_t m = 0, n, v;
	size_t i;

	for (i = 0; i < NR_PAGES; i++) {
		v = *word(s, nth_page(i), WRITER_WORD(w));
		m = v > m ? v : m;
	}
	/* The last NR_PAGES numbers are each where they belong. */
	for (i = 0; i < NR_PAGES && !in->why; i++) {
		n = m + i - NR_PAGES + 1;
		if ((int64_t)n <= 0)
			continue;
		v = *word(s, page_of(w, n), WRITER_WORD(w));
		if (v == n)
			continue;
		snprintf(in->text, sizeof(in->text),
			 "writer %d: newest %llu, but %llu is %llu, page %zu",
			 w, (ull)m, (ull)n, (ull)v, page_of(w, n));
		in->why = in->text;
	}
	return m;
}

static void check_writers(struct instant *in, uint64_t *s,
			  const uint64_t *done, const uint64_t *begun)
{
	uint64_t clock = *word(s, CLOCK_PAGE, 0), sum = 0, m;
	int w;

	for (w = 0; w < WRITERS && !in->why; w++) {
		m = check_writer(in, s, w);
		sum += m;
		if (m < done[w] || m > begun[w])
			WRONG("writer %d: %llu, not of %llu to %llu", w,
			      (ull)m, (ull)done[w], (ull)begun[w]);
	}
	if (sum > clock || clock > sum + WRITERS)
		WRONG("the clock is %llu, of writers %llu", (ull)clock,
		      (ull)sum);
}

static void check_followers(struct instant *in, uint64_t *s)
{
	uint64_t ahead = *word(s, CLOCK_PAGE, 0), v;
	int n;

	for (n = 0; n < FOLLOWERS; n++) {
		v = *word(s, FOLLOWER_PAGE(n), 0);
		if (v > ahead)
			WRONG("follower %d: %llu is ahead of %llu", n, (ull)v,
			      (ull)ahead);
		ahead = v;
	}
}

static void check_discards(struct instant *in, uint64_t *s)
{
	uint64_t count = *word(s, COUNT_PAGE, 0), v = count / 2, have;
	bool may, must;

	for (uint64_t i = 0; i < NR_SCRATCH; i++) {
		have = *word(s, SCRATCH_PAGE + i, 5);
		must = false;
		if (i == v % NR_SCRATCH && !(count & 1))
			may = have == v;
		else if (i == (v + 1) % NR_SCRATCH && (count & 1 || !count))
			may = have == v + 1;
		else
			may = false, must = true;
		if (have && !may)
			WRONG("scratch page %llu is %llu, counted %llu%s",
			      (ull)i, (ull)have, (ull)count,
			      must ? "" : " (or 0)");
	}
}

static void check_vcpu(struct instant *in, uint64_t *s, int vcpu)
{
	uint64_t first = *word(s, nth_page(0), VCPU_WORD(vcpu)), last = first, v;

	for (size_t i = 1; i < NR_PAGES; i++) {
		v = *word(s, nth_page(i), VCPU_WORD(vcpu));
		if (v > last || v + 1 < first)
			WRONG("vCPU %d: %llu, %llu in page %zu, first %llu",
			      vcpu, (ull)last, (ull)v, i, (ull)first);
		last = v;
	}
}

static void check(struct instant *in, uint64_t *s, const uint64_t *done,
		  const uint64_t *begun)
{
	check_writers(in, s, done, begun);
	if (!in->why)
		check_followers(in, s);
	if (!in->why)
		check_discards(in, s);
	for (int i = 0; i < VCPUS && in->g && !in->why; i++)
		check_vcpu(in, s, i);
}

/* ---- rounds -------------------------------------------------------------- */

static int open_object(struct instant *in, uint32_t flags)
{
	in->dev = vireo_open();
	in->mem = mem_create(in->dev, BYTES, flags);
	if (in->mem < 0)
		return in->mem;
	in->p = (uint64_t *)mem_map_aligned(in->mem, BYTES);
	if (!in->p)
		return -errno;
	if (flags & VIREO_MEM_HUGE) {
		int ret = mem_prefault(in->mem, 0, BYTES);

		if (ret || mem_stat(in->mem).huge != BYTES)
			return ret ? ret : -ENOMEM;
	}
	in->copy = calloc(1, BYTES);
	in->log = in->logs ? mem_log(in->mem) : -1;
	return in->logs && in->log < 0 ? in->log : 0;
}

static void open_guest(struct instant *in)
{
	static struct guest guest;

	if (guest_create(&guest, VCPUS))
		return;
	in->g = &guest;
	if (guest_map_object(in->g, in->p, BYTES))
		abort();
	for (int v = 0; v < VCPUS; v++)
		for (int i = 0; i < NR_PAGES; i++)
			guest_add(in->g, v, GUEST_ADD, 8,
				  GUEST_OBJECT + nth_page(i) * PAGE +
					  VCPU_WORD(v) * 8, 1);
}

static bool read_parts(int fd, uint64_t *buf)
{
	return pread(fd, buf, PART, 0) == (ssize_t)PART &&
	       pread(fd, (uint8_t *)buf + LAST_PART, PART, LAST_PART) ==
		       (ssize_t)PART;
}

static bool same_parts(const uint64_t *a, const uint64_t *b)
{
	return !memcmp(a, b, PART) &&
	       !memcmp((const uint8_t *)a + LAST_PART,
		       (const uint8_t *)b + LAST_PART, PART);
}

/*
 * Takes a snapshot, looks at it twice, drops it.  It looks in half of the time
 * where there is one processor, not in one of ten parts: who writes meanwhile
 * has enough of the rest.
 */
static void one_round(struct instant *in, uint64_t *buf, uint64_t *again)
{
	uint64_t done[WRITERS], begun[WRITERS], *s = buf;
	int fd, w;

	for (w = 0; w < WRITERS; w++)
		done[w] = LOAD(&in->done[w]);
	fd = mem_snapshot(in->mem, 0);
	for (w = 0; w < WRITERS; w++)
		begun[w] = LOAD(&in->begun[w]);
	if (fd < 0) {
		in->why = "no snapshot";
		return;
	}
	setpriority(PRIO_PROCESS, gettid(), -10);
	if (in->maps) {
		s = mmap(NULL, BYTES, PROT_READ, MAP_SHARED, fd, 0);
		if (s == MAP_FAILED)
			in->why = "no mapping";
	} else if (!read_parts(fd, buf)) {
		in->why = "pread fails";
	}
	if (!in->why)
		check(in, s, done, begun);
	if (!in->why) {
		if (!read_parts(fd, again) || !same_parts(again, s))
			in->why = "it changes";
		if (!in->why)
			check(in, s, done, begun);
	}
	if (in->maps && s != MAP_FAILED)
		munmap(s, BYTES);
	close(fd);
	setpriority(PRIO_PROCESS, gettid(), 0);
}

static int rounds(void)
{
	const char *s = getenv("VIREO_ROUNDS");

	return s ? atoi(s) : 100;
}

static void check_log(struct instant *in)
{
	take_log(in);
	for (size_t i = 0; i < BYTES / PAGE; i++)
		if (memcmp(in->copy + i * PAGE, in->p + i * WORDS, PAGE))
			WRONG("page %zu was not reported", i);
}

/* NULL, or what is wrong; in->text has room for it. */
static const char *run(struct instant *in)
{
	uint64_t *buf = calloc(1, BYTES), *again = calloc(1, BYTES);
	struct thread t[WRITERS + FOLLOWERS + VCPUS + 2];
	void *(*fn[ARRAY_LEN(t)])(void *), *ret;
	size_t n = 0, i;
	int k;

#define ADD(f, number) do {						\
	fn[n] = f;							\
	t[n++] = (struct thread){ .in = in, .n = number };		\
} while (0)
	for (k = 0; k < WRITERS; k++)
		ADD(write_numbers, k);
	for (k = 0; k < FOLLOWERS; k++)
		ADD(follow, k);
	for (k = 0; k < VCPUS && in->g; k++)
		ADD(run_vcpu, k);
	if (in->discards)
		ADD(write_and_discard, 0);
	if (in->logs)
		ADD(take_logs, 0);
#undef ADD
	for (i = 0; i < n; i++)
		pthread_create(&t[i].thread, NULL, fn[i], &t[i]);
	for (k = 0; k < rounds() && !in->why; k++) {
		one_round(in, buf, again);
		/* Let them get somewhere; not always as far. */
		usleep(k % 5 * 1000);
	}
	if (in->why)
		fprintf(stderr, "# round %d\n", k);
	STORE(&in->stop, true);
	for (i = 0; i < n; i++) {
		pthread_join(t[i].thread, &ret);
		if (ret && !in->why)
			in->why = ret;
	}
	if (in->logs && !in->why)
		check_log(in);
	/* A checker that sees nothing move checks nothing. */
	for (k = 0; k < WRITERS && !in->why; k++)
		if (in->done[k] < NR_PAGES)
			in->why = "a writer got nowhere";
	if (in->g && !*word(in->p, nth_page(0), VCPU_WORD(0)) && !in->why)
		in->why = "a vCPU got nowhere";
	fprintf(stderr, "# %d rounds, %llu writes\n", rounds(),
		(ull)*word(in->p, CLOCK_PAGE, 0));
	free(buf);
	free(again);
	return in->why;
}

FIXTURE(mem_instant)
{
};

FIXTURE_VARIANT(mem_instant)
{
	uint32_t flags;
	bool maps, logs, discards, vcpus;
};

#define VARIANT(name, ...)						\
	FIXTURE_VARIANT_ADD(mem_instant, name) { __VA_ARGS__ }

VARIANT(read, .flags = 0);
VARIANT(mapped, .maps = true);
VARIANT(with_log, .logs = true);
VARIANT(with_discards, .discards = true);
VARIANT(with_vcpus, .vcpus = true);
VARIANT(all, .vcpus = true, .maps = true, .logs = true, .discards = true);
VARIANT(huge_read, .flags = VIREO_MEM_HUGE);
VARIANT(huge_all, .flags = VIREO_MEM_HUGE, .vcpus = true, .maps = true,
	.logs = true, .discards = true);

FIXTURE_SETUP(mem_instant)
{
}

FIXTURE_TEARDOWN(mem_instant)
{
}

TEST_F_TIMEOUT(mem_instant, is_one_instant, 3600)
{
	static struct instant in;
	const char *why;
	int ret;

	in.maps = variant->maps;
	in.logs = variant->logs;
	in.discards = variant->discards;
	ret = open_object(&in, variant->flags);
	if (ret == -ENOMEM && variant->flags)
		SKIP(return, "no huge pages to be had");
	ASSERT_EQ(ret, 0);
	if (variant->vcpus) {
		open_guest(&in);
		if (!in.g)
			SKIP(return, "no guest");
	}
	why = run(&in);
	EXPECT_EQ(why, NULL) { TH_LOG("%s", why); }
	munmap(in.p, BYTES);
	close(in.log);
	close(in.mem);
	EXPECT_GE(in.dev, 0);
	if (in.g)
		guest_destroy(in.g);
}

TEST_HARNESS_MAIN
