// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Logs and snapshots of guest memory, with each backend that this machine has:
 * the module's only where it is loaded.
 *
 * Writers are threads that store, system calls that store on their behalf, and
 * I/O that goes on by itself.  A guest is in tests/vm/memory.c.
 */
#include "cmocka_unit.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "accel.h"
#include "error.h"
#include "memory.h"

#define MIB (1ULL << 20)
#define SIZE (16 * MIB)
#define NR_PAGES (SIZE / MEM_PAGE)
#define NR_WORDS (NR_PAGES / 64)
#define NR_WRITERS 3

struct fixture {
	struct mem mem;
	unsigned int seed;
	/* The writers: */
	pthread_t threads[NR_WRITERS];
	bool stop;
	unsigned int turns; /* how often each has written, added up */
};

static const struct mem_backend *const backends[] = {
	&mem_backend_memfd,
	&mem_backend_hugetlb,
	&mem_backend_vireo,
};

/* In *state: which of them. */
static struct fixture *set_up(void **state)
{
	const struct mem_backend *backend =
		**(const struct mem_backend *const **)state;
	/* memfd only: the module logs huge pages as a whole. */
	const struct mem_options opt = {
		.size = SIZE,
		.huge = getenv("VIREO_TEST_HUGE") != NULL,
	};
	struct fixture *f = calloc(1, sizeof(*f));
	struct error err;

	assert_non_null(f);
	if (mem_init(&f->mem, backend, &opt, &err))
		fail_msg("%s", err.text);
	return f;
}

static void tear_down(struct fixture *f)
{
	assert_null(f->mem.logs);
	assert_null(f->mem.freezer);
	mem_destroy(&f->mem);
	free(f);
}

static struct mem_snapshot *arm(struct fixture *f, uint64_t limit)
{
	struct mem_snapshot *s;
	struct error err;

	if (mem_snapshot_arm(&f->mem, limit, &s, &err))
		fail_msg("%s", err.text);
	return s;
}

/* Where snapshots can be had; userfaultfd may be refused. */
static struct fixture *set_up_snapshots(void **state)
{
	struct fixture *f = set_up(state);
	struct mem_snapshot *s;
	struct error err;
	int rc = mem_snapshot_arm(&f->mem, 0, &s, &err);

	if (!rc) {
		mem_snapshot_drop(s);
		return f;
	}
	tear_down(f);
	if (rc != -EPERM && rc != -ENOSYS && rc != -EOPNOTSUPP)
		fail_msg("%s", err.text);
	print_message("# %s\n", err.text);
	skip();
	return NULL;
}

static struct mem_log *log_on(struct fixture *f)
{
	struct mem_log *log;
	struct error err;

	if (mem_log_start(&f->mem, &log, &err))
		fail_msg("%s", err.text);
	return log;
}

static struct mem_snapshot_stat stat_of(struct mem_snapshot *s)
{
	struct mem_snapshot_stat stat;

	assert_int_equal(mem_snapshot_stat(s, &stat), 0);
	return stat;
}

/* Every other page has something in it; the rest is not there. */
static void fill(struct fixture *f)
{
	uint64_t i;

	for (i = 0; i < NR_PAGES; i += 2)
		memset(f->mem.base + i * MEM_PAGE, (int)(i % 255) + 1,
		       MEM_PAGE);
}

static uint8_t *copy_of(struct fixture *f)
{
	uint8_t *copy = malloc(SIZE);

	assert_non_null(copy);
	/* Through the mapping it would make the missing pages. */
	assert_int_equal(pread(f->mem.fd, copy, SIZE, 0), SIZE);
	return copy;
}

static void same_as(struct mem_snapshot *s, const uint8_t *copy)
{
	uint8_t *buf = malloc(SIZE);
	uint64_t i;

	assert_non_null(buf);
	assert_int_equal(mem_snapshot_read(s, 0, buf, SIZE), 0);
	for (i = 0; i < NR_PAGES; i++)
		if (memcmp(buf + i * MEM_PAGE, copy + i * MEM_PAGE, MEM_PAGE))
			fail_msg("page %llu of the snapshot is wrong",
				 (unsigned long long)i);
	/* In pieces that fit nothing. */
	for (i = 0; i + 70001 < SIZE; i += 70001) {
		assert_int_equal(mem_snapshot_read(s, i, buf, 70001), 0);
		assert_memory_equal(buf, copy + i, 70001);
	}
	free(buf);
}

/* ---- writers ---- */

static void scribble(struct fixture *f, unsigned int *seed)
{
	uint64_t page = (unsigned int)rand_r(seed) % NR_PAGES;
	uint8_t *p = f->mem.base + page * MEM_PAGE +
		     (unsigned int)rand_r(seed) % 4000;

	__atomic_fetch_add((uint64_t *)((uintptr_t)p & ~7UL), 0x0101010101,
			   __ATOMIC_RELAXED);
	mem_written(&f->mem, p, 8);
}

static void *write_main(void *opaque)
{
	struct fixture *f = opaque;
	unsigned int seed = __atomic_add_fetch(&f->seed, 1, __ATOMIC_RELAXED);

	while (!__atomic_load_n(&f->stop, __ATOMIC_ACQUIRE)) {
		scribble(f, &seed);
		__atomic_fetch_add(&f->turns, 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

static void start_writers(struct fixture *f)
{
	unsigned int i;

	f->stop = false;
	for (i = 0; i < NR_WRITERS; i++)
		assert_int_equal(pthread_create(&f->threads[i], NULL,
						write_main, f),
				 0);
}

static void stop_writers(struct fixture *f)
{
	unsigned int i;

	__atomic_store_n(&f->stop, true, __ATOMIC_RELEASE);
	for (i = 0; i < NR_WRITERS; i++)
		pthread_join(f->threads[i], NULL);
}

static void wait_turns(struct fixture *f, unsigned int more)
{
	unsigned int from = __atomic_load_n(&f->turns, __ATOMIC_RELAXED);

	while (__atomic_load_n(&f->turns, __ATOMIC_RELAXED) - from < more)
		usleep(100);
}

/* ---- snapshots ---- */

static void snapshot_stays(void **state)
{
	struct fixture *f = set_up_snapshots(state);
	struct mem_snapshot_stat stat;
	struct mem_snapshot *s;
	uint8_t *copy;

	fill(f);
	copy = copy_of(f);
	s = arm(f, 0);
	same_as(s, copy);
	f->mem.base[0] = 0xee;
	f->mem.base[2 * MEM_PAGE + 77] = 0xee;
	/* A page that was not there, and one that is read first. */
	f->mem.base[3 * MEM_PAGE] = 0xee;
	assert_int_equal(*(volatile uint8_t *)(f->mem.base + 5 * MEM_PAGE), 0);
	f->mem.base[5 * MEM_PAGE] = 0xee;
	assert_int_equal(f->mem.base[0], 0xee);
	same_as(s, copy);
	stat = stat_of(s);
	assert_int_equal(stat.bytes, SIZE);
	assert_int_equal(stat.error, 0);
	assert_true(stat.copied >= 2 * MEM_PAGE);
	if (f->mem.backend == &mem_backend_memfd) {
		assert_int_equal(stat.copied, 2 * MEM_PAGE);
		assert_int_equal(stat.zero, 2 * MEM_PAGE);
	}
	assert_int_equal(mem_snapshot_read(s, SIZE, copy, 1), -EINVAL);
	assert_int_equal(mem_snapshot_read(s, SIZE - 1, copy, 2), -EINVAL);
	assert_int_equal(mem_snapshot_read(s, UINT64_MAX, copy, 2), -EINVAL);
	mem_snapshot_drop(s);
	free(copy);
	tear_down(f);
}

/*
 * The kernel writes as well: read(2), and reading by AIO past the page cache.
 * VIREO_TEST_DISK names a disk of 64 KiB of backslashes, where files have no
 * O_DIRECT.
 */
static void snapshot_sees_the_kernel(void **state)
{
	struct fixture *f = set_up_snapshots(state);
	const char *disk = getenv("VIREO_TEST_DISK");
	char path[] = "/var/tmp/vireo-mem-XXXXXX";
	aio_context_t ctx = 0;
	struct mem_snapshot *s;
	struct iocb cb = { 0 }, *cbs = &cb;
	struct io_event event;
	uint8_t *copy, *data;
	int fd, direct;

	fd = mkstemp(path);
	assert_true(fd >= 0);
	data = malloc(64 * 1024);
	memset(data, '\\', 64 * 1024);
	assert_int_equal(write(fd, data, 64 * 1024), 64 * 1024);
	assert_int_equal(fsync(fd), 0);
	fill(f);
	copy = copy_of(f);
	s = arm(f, 0);

	assert_int_equal(pread(fd, f->mem.base + 100, 5000, 0), 5000);
	direct = open(disk ? disk : path, O_RDONLY | O_DIRECT);
	unlink(path);
	if (direct >= 0) {
		assert_int_equal(pread(direct, f->mem.base + 4 * MEM_PAGE, 8192,
				       0),
				 8192);
		cb.aio_lio_opcode = IOCB_CMD_PREAD;
		cb.aio_fildes = (uint32_t)direct;
		cb.aio_buf = (uintptr_t)f->mem.base + 9 * MEM_PAGE;
		cb.aio_nbytes = 16384;
		assert_int_equal(syscall(SYS_io_setup, 1, &ctx), 0);
		assert_int_equal(syscall(SYS_io_submit, ctx, 1, &cbs), 1);
		assert_int_equal(syscall(SYS_io_getevents, ctx, 1, 1, &event,
					 NULL),
				 1);
		assert_int_equal(event.res, 16384);
		syscall(SYS_io_destroy, ctx);
		close(direct);
		assert_int_equal(f->mem.base[12 * MEM_PAGE], '\\');
	} else {
		print_message("# no O_DIRECT here\n");
	}
	assert_int_equal(f->mem.base[100], '\\');
	same_as(s, copy);
	mem_snapshot_drop(s);
	close(fd);
	free(data);
	free(copy);
	tear_down(f);
}

/*
 * Armed while writers stand still; later ones see what was written since.
 * They are dropped neither in order nor in the reverse of it.
 */
static void snapshots_in_any_order(void **state)
{
	static const unsigned int order[] = { 1, 3, 0, 2 };
	struct fixture *f = set_up_snapshots(state);
	struct mem_snapshot *s[4];
	uint8_t *copy[4];
	unsigned int i, j;

	fill(f);
	for (i = 0; i < 4; i++) {
		copy[i] = copy_of(f);
		s[i] = arm(f, 0);
		start_writers(f);
		wait_turns(f, 2000);
		/* While they write: */
		same_as(s[i], copy[i]);
		stop_writers(f);
	}
	start_writers(f);
	for (i = 0; i < 4; i++) {
		for (j = i; j < 4; j++)
			same_as(s[order[j]], copy[order[j]]);
		mem_snapshot_drop(s[order[i]]);
		free(copy[order[i]]);
		wait_turns(f, 100);
	}
	stop_writers(f);
	/* And from the beginning again. */
	copy[0] = copy_of(f);
	s[0] = arm(f, 0);
	memset(f->mem.base, 0xaa, SIZE);
	same_as(s[0], copy[0]);
	mem_snapshot_drop(s[0]);
	free(copy[0]);
	tear_down(f);
}

/* Somebody else's limit is not one's own. */
static void limit_fails_one(void **state)
{
	struct fixture *f = set_up_snapshots(state);
	uint64_t page = f->mem.backend == &mem_backend_hugetlb ? MEM_HUGE_PAGE :
								 MEM_PAGE;
	struct mem_snapshot *small, *large;
	uint8_t *copy, buf[8];

	memset(f->mem.base, 7, SIZE);
	copy = copy_of(f);
	small = arm(f, 2 * page);
	large = arm(f, 0);
	f->mem.base[0] = 1;
	f->mem.base[page] = 1;
	same_as(small, copy);
	assert_int_equal(stat_of(small).copied, 2 * page);
	f->mem.base[2 * page] = 2;
	assert_int_equal(f->mem.base[2 * page], 2);
	assert_int_equal(stat_of(small).error, ENOSPC);
	assert_int_equal(stat_of(small).limit, 2 * page);
	assert_int_equal(mem_snapshot_read(small, 0, buf, 8), -EIO);
	assert_int_equal(stat_of(large).error, 0);
	same_as(large, copy);
	mem_snapshot_drop(small);
	same_as(large, copy);
	mem_snapshot_drop(large);
	free(copy);
	tear_down(f);
}

static void discard_keeps_snapshots(void **state)
{
	struct fixture *f = set_up_snapshots(state);
	struct mem_snapshot *s;
	struct mem_log *log;
	uint64_t bitmap[NR_WORDS];
	uint8_t *copy;
	struct stat st[2];

	memset(f->mem.base, 7, SIZE);
	copy = copy_of(f);
	log = log_on(f);
	s = arm(f, 0);
	assert_int_equal(fstat(f->mem.fd, &st[0]), 0);
	assert_int_equal(mem_discard(&f->mem, 2 * MIB, 4 * MIB), 0);
	assert_int_equal(fstat(f->mem.fd, &st[1]), 0);
	if (f->mem.backend != &mem_backend_vireo)
		assert_int_equal(st[0].st_blocks - st[1].st_blocks,
				 4 * MIB / 512);
	assert_int_equal(f->mem.base[2 * MIB], 0);
	assert_int_equal(f->mem.base[6 * MIB - 1], 0);
	assert_int_equal(f->mem.base[6 * MIB], 7);
	f->mem.base[3 * MIB] = 9;
	same_as(s, copy);
	assert_true(mem_log_fetch(log, 2 * MIB, 4 * MIB, bitmap) >= 1024);
	assert_true(bitmap[0] == ~0ULL && bitmap[15] == ~0ULL);

	assert_int_equal(mem_discard(&f->mem, 1, 2 * MIB), -EINVAL);
	assert_int_equal(mem_discard(&f->mem, 0, 1), -EINVAL);
	assert_int_equal(mem_discard(&f->mem, 0, 0), -EINVAL);
	assert_int_equal(mem_discard(&f->mem, SIZE, 2 * MIB), -EINVAL);
	assert_int_equal(mem_discard(&f->mem, 2 * MIB, SIZE), -EINVAL);
	mem_snapshot_drop(s);
	mem_log_stop(log);
	free(copy);
	tear_down(f);
}

/* The file of such memory is not to be written to meanwhile. */
static void file_is_known(void **state)
{
	struct fixture *f = set_up_snapshots(state);
	struct mem_snapshot *s;

	assert_true(mem_file_ok(&f->mem));
	s = arm(f, 0);
	assert_int_equal(mem_file_ok(&f->mem),
			 f->mem.backend == &mem_backend_vireo);
	mem_snapshot_drop(s);
	assert_true(mem_file_ok(&f->mem));
	tear_down(f);
}

/* ---- logs ---- */

static bool dirty(const uint64_t *bitmap, uint64_t page)
{
	return bitmap[page / 64] >> page % 64 & 1;
}

/* As one who keeps to mem_ptr does; the module sees the stores. */
static void touch(struct fixture *f, uint64_t gpa, uint64_t len)
{
	void *p = mem_ptr(&f->mem, gpa, len, MEM_WRITE);

	assert_non_null(p);
	memset(p, 0x77, len);
}

static void log_has_ranges(void **state)
{
	struct fixture *f = set_up(state);
	uint64_t bitmap[NR_WORDS + 1];
	struct mem_log *log;

	fill(f);
	log = log_on(f);
	memset(bitmap, 0xff, sizeof(bitmap));
	assert_int_equal(mem_log_fetch(log, 0, SIZE, bitmap), 0);
	assert_true(bitmap[0] == 0 && bitmap[NR_WORDS - 1] == 0);
	assert_true(bitmap[NR_WORDS] == ~0ULL);

	/* Over the end of a word, and the two bytes around a page's end. */
	touch(f, 63 * MEM_PAGE, 66 * MEM_PAGE);
	touch(f, 200 * MEM_PAGE - 1, 2);
	assert_non_null(mem_ptr(&f->mem, 300 * MEM_PAGE, 2, MEM_READ));
	assert_int_equal(mem_write(&f->mem, SIZE - 1, "x", 1), 0);
	assert_int_equal(mem_log_fetch(log, 0, SIZE, bitmap), 66 + 2 + 1);
	assert_true(!dirty(bitmap, 62) && dirty(bitmap, 63));
	assert_true(bitmap[1] == ~0ULL);
	assert_true(dirty(bitmap, 128) && !dirty(bitmap, 129));
	assert_true(dirty(bitmap, 199) && dirty(bitmap, 200));
	assert_true(!dirty(bitmap, 300));
	assert_true(dirty(bitmap, NR_PAGES - 1));
	assert_int_equal(mem_log_fetch(log, 0, SIZE, bitmap), 0);

	/* Parts: what lies behind stays for the next. */
	touch(f, 2 * MIB, 100 * MEM_PAGE);
	assert_int_equal(mem_log_fetch(log, 0, 2 * MIB, bitmap), 0);
	memset(bitmap, 0xff, sizeof(bitmap));
	assert_int_equal(mem_log_fetch(log, 2 * MIB, 70 * MEM_PAGE, bitmap),
			 70);
	assert_true(bitmap[0] == ~0ULL && bitmap[1] == 0x3f);
	assert_int_equal(mem_log_fetch(log, 2 * MIB, 2 * MIB, bitmap), 30);

	assert_int_equal(mem_log_fetch(log, MEM_PAGE, 2 * MIB, bitmap),
			 -EINVAL);
	assert_int_equal(mem_log_fetch(log, 0, 1, bitmap), -EINVAL);
	assert_int_equal(mem_log_fetch(log, SIZE, 2 * MIB, bitmap), -EINVAL);
	assert_int_equal(mem_log_fetch(log, 2 * MIB, SIZE, bitmap), -EINVAL);
	mem_log_stop(log);
	tear_down(f);
}

/* Two at once are told everything each, and only what came after they began. */
static void two_logs(void **state)
{
	struct fixture *f = set_up(state);
	uint64_t bitmap[NR_WORDS];
	struct mem_log *a, *b;

	fill(f);
	a = log_on(f);
	mem_write(&f->mem, 0, "a", 1);
	b = log_on(f);
	mem_write(&f->mem, 2 * MIB, "b", 1);
	assert_int_equal(mem_log_fetch(b, 0, SIZE, bitmap), 1);
	assert_true(dirty(bitmap, 512));
	mem_write(&f->mem, 4 * MIB, "c", 1);
	assert_int_equal(mem_log_fetch(a, 0, SIZE, bitmap), 3);
	assert_true(dirty(bitmap, 0) && dirty(bitmap, 512) &&
		    dirty(bitmap, 1024));
	mem_log_stop(a);
	mem_write(&f->mem, 6 * MIB, "d", 1);
	assert_int_equal(mem_log_fetch(b, 0, SIZE, bitmap), 2);
	assert_true(dirty(bitmap, 1024) && dirty(bitmap, 1536));
	mem_log_stop(b);
	/* A new one begins empty. */
	mem_write(&f->mem, 8 * MIB, "e", 1);
	a = log_on(f);
	assert_int_equal(mem_log_fetch(a, 0, SIZE, bitmap), 0);
	mem_log_stop(a);
	tear_down(f);
}

struct replica {
	struct mem_log *log;
	uint8_t *data;
};

/* What a migration does: returns how many pages it took. */
static int64_t follow(struct fixture *f, struct replica *r, uint64_t start,
		      uint64_t len)
{
	uint64_t bitmap[NR_WORDS], i;
	int64_t n = mem_log_fetch(r->log, start, len, bitmap);

	assert_true(n >= 0);
	for (i = 0; i < len / MEM_PAGE; i++)
		if (dirty(bitmap, i))
			memcpy(r->data + start + i * MEM_PAGE,
			       f->mem.base + start + i * MEM_PAGE, MEM_PAGE);
	return n;
}

/* Whoever copies what the log says ends with the same memory. */
static void logs_lose_nothing(void **state)
{
	struct fixture *f = set_up(state);
	struct replica r[2];
	uint64_t at;
	unsigned int i, round;

	fill(f);
	start_writers(f);
	for (i = 0; i < 2; i++) {
		r[i].log = log_on(f);
		r[i].data = copy_of(f);
		wait_turns(f, 500);
	}
	for (round = 0; round < 50; round++) {
		/* One in whole, one in parts of which two words are cut. */
		follow(f, &r[0], 0, SIZE);
		for (at = 0; at < SIZE; at += 4 * MIB)
			follow(f, &r[1], at, 4 * MIB - 3 * MEM_PAGE);
		wait_turns(f, 100);
	}
	stop_writers(f);
	for (i = 0; i < 2; i++) {
		assert_true(follow(f, &r[i], 0, SIZE) > 0);
		assert_memory_equal(r[i].data, f->mem.base, SIZE);
		mem_log_stop(r[i].log);
		free(r[i].data);
	}
	tear_down(f);
}

/* A snapshot, its log and a second log at once: an incremental snapshot. */
static void all_at_once(void **state)
{
	struct fixture *f = set_up_snapshots(state);
	struct replica r[2];
	struct mem_snapshot *s;
	uint8_t *copy;

	fill(f);
	r[0] = (struct replica){ log_on(f), copy_of(f) };
	start_writers(f);
	wait_turns(f, 500);
	stop_writers(f);
	copy = copy_of(f);
	s = arm(f, 0);
	r[1] = (struct replica){ log_on(f), copy_of(f) };
	start_writers(f);
	wait_turns(f, 1000);
	follow(f, &r[0], 0, SIZE);
	same_as(s, copy);
	wait_turns(f, 1000);
	stop_writers(f);
	same_as(s, copy);
	mem_snapshot_drop(s);
	follow(f, &r[0], 0, SIZE);
	follow(f, &r[1], 0, SIZE);
	assert_memory_equal(r[0].data, f->mem.base, SIZE);
	assert_memory_equal(r[1].data, f->mem.base, SIZE);
	mem_log_stop(r[0].log);
	mem_log_stop(r[1].log);
	free(r[0].data);
	free(r[1].data);
	free(copy);
	tear_down(f);
}

/* ---- what the accelerator knows ---- */

#define SLOT_WORDS 16384 /* of the larger block */

struct fake {
	struct accel accel;
	struct accel_ops ops;
	unsigned int flags[2];
	bool forgets; /* all of what it told, as an old KVM does */
	uint64_t log[2][SLOT_WORDS];
};

static int fake_set_memory(struct accel *accel, unsigned int slot, uint64_t gpa,
			   uint64_t len, void *hva, unsigned int flags)
{
	struct fake *fake = (struct fake *)accel;

	assert_int_equal(gpa, slot ? RAM_HIGH_BASE : 0);
	assert_true(len && hva);
	fake->flags[slot] = flags;
	return 0;
}

static int fake_fetch_log(struct accel *accel, unsigned int slot,
			  uint64_t first, uint64_t count, uint64_t *bitmap)
{
	struct fake *fake = (struct fake *)accel;
	uint64_t *log = fake->log[slot];

	assert_int_equal(first % 64, 0);
	assert_int_equal(count % 64, 0);
	memcpy(bitmap, log, (slot ? 5120 : 11264) * 8);
	if (fake->forgets)
		memset(log, 0, sizeof(fake->log[slot]));
	else
		memset(log + first / 64, 0, count / 8);
	return 0;
}

static void guest_is_asked(void **state)
{
	const struct mem_options opt = { .size = 4ULL << 30 };
	struct fake *fake = calloc(1, sizeof(*fake));
	uint64_t bitmap[8], high = RAM_LOW_MAX;
	struct mem_log *a, *b;
	struct mem mem;

	fake->forgets = *(const bool *)*state;
	fake->ops.set_memory = fake_set_memory;
	fake->ops.fetch_log = fake_fetch_log;
	fake->accel.ops = &fake->ops;
	assert_int_equal(mem_init(&mem, &mem_backend_memfd, &opt, NULL), 0);
	assert_int_equal(mem_attach(&mem, &fake->accel, NULL), 0);
	assert_int_equal(fake->flags[0] | fake->flags[1], 0);

	assert_int_equal(mem_log_start(&mem, &a, NULL), 0);
	assert_int_equal(fake->flags[0] & fake->flags[1], ACCEL_MEM_LOG);
	fake->log[0][0] = 1;
	fake->log[0][11263] = 1ULL << 63;
	fake->log[1][0] = 2;
	fake->log[1][5119] = 4;
	/* All four before b begins. */
	assert_int_equal(mem_log_start(&mem, &b, NULL), 0);
	fake->log[1][0] = 8;
	mem_write(&mem, RAM_HIGH_BASE + 4 * MEM_PAGE, "x", 1);

	assert_int_equal(mem_log_fetch(a, 0, MEM_HUGE_PAGE, bitmap), 1);
	assert_int_equal(bitmap[0], 1);
	assert_int_equal(mem_log_fetch(a, high - MEM_HUGE_PAGE, MEM_HUGE_PAGE,
				       bitmap),
			 1);
	assert_true(bitmap[7] == 1ULL << 63);
	assert_int_equal(mem_log_fetch(b, high, MEM_HUGE_PAGE, bitmap), 2);
	assert_int_equal(bitmap[0], 8 | 16);
	assert_int_equal(mem_log_fetch(a, high, MEM_HUGE_PAGE, bitmap), 3);
	assert_int_equal(bitmap[0], 2 | 8 | 16);
	assert_int_equal(mem_log_fetch(a, mem.size - MEM_HUGE_PAGE,
				       MEM_HUGE_PAGE, bitmap),
			 1);
	assert_int_equal(bitmap[7], 4);
	assert_int_equal(mem_log_fetch(b, 0, MEM_HUGE_PAGE, bitmap), 0);
	mem_log_stop(a);
	assert_int_equal(fake->flags[0] & fake->flags[1], ACCEL_MEM_LOG);
	mem_log_stop(b);
	assert_int_equal(fake->flags[0] | fake->flags[1], 0);
	mem_destroy(&mem);
	free(fake);
}

/* ---- */

static void not_here(void **state)
{
	(void)state;
	skip();
}

static bool is_here(const struct mem_backend *backend)
{
	const struct mem_options opt = { .size = SIZE };
	struct mem mem;

	if (mem_init(&mem, backend, &opt, NULL))
		return false;
	mem_destroy(&mem);
	return true;
}

#define TEST(name)                                            \
	{                                                     \
#name, name, NULL, NULL, (void *)&backends[i] \
	}

/* Arguments are backends that must be here; without, what is here is tested. */
static int run_backend(const char *name, unsigned int i, bool must)
{
	const struct CMUnitTest tests[] = {
		TEST(snapshot_stays),	       TEST(snapshot_sees_the_kernel),
		TEST(snapshots_in_any_order),  TEST(limit_fails_one),
		TEST(discard_keeps_snapshots), TEST(file_is_known),
		TEST(log_has_ranges),	       TEST(two_logs),
		TEST(logs_lose_nothing),       TEST(all_at_once),
	};
	const struct CMUnitTest none[] = {
		{ name, not_here, NULL, NULL, NULL },
	};

	if (must || is_here(backends[i]))
		return cmocka_run_group_tests_name(name, tests, NULL, NULL);
	return cmocka_run_group_tests_name(name, none, NULL, NULL);
}

int main(int argc, char **argv)
{
	static const bool forgets = true, keeps;
	static const char *const names[] = { "memfd", "hugetlb", "vireo" };
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_prestate(guest_is_asked, (void *)&forgets),
		cmocka_unit_test_prestate(guest_is_asked, (void *)&keeps),
	};
	int bad = 0, a;
	unsigned int i;

	for (i = 0; argc == 1 && i < 3; i++)
		bad += run_backend(names[i], i, false);
	for (a = 1; a < argc; a++)
		for (i = 0; i < 3; i++)
			if (!strcmp(argv[a], names[i]))
				bad += run_backend(names[i], i, true);
	return bad + cmocka_run_group_tests_name("guest", tests, NULL, NULL);
}
