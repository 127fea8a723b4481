// SPDX-License-Identifier: GPL-2.0
/*
 * Fuzzes memory objects, their logs and snapshots, and all that can be done with
 * their mappings, from several threads at once.  What must hold: the kernel does
 * not complain, each call returns, nothing is left when the process is gone, and
 * a snapshot that is taken first shows at last what it showed then, or has
 * failed.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "../kselftest/common.h"
#include "../kselftest/memory.h"
#include "fuzz.h"
#include "pool.h"

#define MAX_STRUCT 256
#define MAX_PAGES 2048
/* Of the object that has the first snapshot. */
#define KEPT_PAGES 1024
#define GPA 0x100000000ULL
#define NOTHING (64ULL << 30)

/* What the threads of a round share. */
struct shared {
	struct fuzz *f;
	struct pool pool;
	int kept_mem, kept;
};

struct fuzzer {
	struct shared *s;
	int number;
	struct rng rng;
	struct arena arena;
	uint8_t buf[8 * PAGE];
	/*
	 * Where bitmaps go.  Around it is nothing: an address of which a bit
	 * is wrong must not be of what the fuzzer needs.
	 */
	uint8_t *out;
	pthread_t thread;
};

/* ---- calling ------------------------------------------------------------- */

static long call(struct fuzzer *z, int fd, unsigned int cmd, const void *arg,
		 size_t size)
{
	uint8_t data[MAX_STRUCT] = {};
	struct rng *r = &z->rng;

	memcpy(data, arg, size);
	if (rng_one_in(r, 6))
		size = spoil_struct(r, data, size, sizeof(data));
	if (rng_one_in(r, 64))
		cmd ^= 1U << rng_below(r, 32);
	return IOCTL(fd, cmd, arena_put(&z->arena, r, data, size));
}

#define CALL(z, fd, cmd, arg) call(z, fd, cmd, &(arg), sizeof(arg))

static int pick(struct fuzzer *z, enum pool_kind kind)
{
	/* What the kept snapshot is of is written to most. */
	if (kind == POOL_MEM && rng_one_in(&z->rng, 3))
		return z->s->kept_mem;
	return pool_pick(&z->s->pool, &z->rng, kind);
}

static int put(struct fuzzer *z, enum pool_kind kind, int fd)
{
	return pool_put_new(&z->s->pool, &z->rng, kind, fd);
}

/* Bytes into an object: mostly pages that it has. */
static uint64_t any_start(struct fuzzer *z)
{
	struct rng *r = &z->rng;

	return rng_one_in(r, 16) ? rng_edge(r) : PAGE * rng_below(r, MAX_PAGES);
}

static uint64_t any_len(struct fuzzer *z)
{
	struct rng *r = &z->rng;

	if (rng_one_in(r, 16))
		return rng_edge(r);
	return PAGE * (1 + rng_below(r, rng_one_in(r, 4) ? MAX_PAGES : 40));
}

/* ---- ioctls -------------------------------------------------------------- */

static long do_create(void *ctx)
{
	struct fuzzer *z = ctx;
	struct vireo_mem_create create =
		mem_template(PAGE * (1 + rng_below(&z->rng, MAX_PAGES)));

	create.flags = rng_one_in(&z->rng, 3) ? VIREO_MEM_HUGE :
		       rng_one_in(&z->rng, 2) ? VIREO_MEM_HUGE_ADVISE :
						0;
	if (rng_one_in(&z->rng, 8))
		create.node = rng_below(&z->rng, 3);
	return put(z, POOL_MEM,
		   CALL(z, pool_find(&z->s->pool, &z->rng, POOL_DEV),
			VIREO_MEM_CREATE, create));
}

static long do_stat(void *ctx)
{
	struct vireo_mem_stat stat = { .size = sizeof(stat) };

	return CALL(ctx, pick(ctx, POOL_MEM), VIREO_MEM_STAT, stat);
}

static long do_range(struct fuzzer *z, unsigned int cmd)
{
	struct vireo_mem_range range = {
		.size = sizeof(range),
		.start = any_start(z),
		.len = any_len(z),
	};

	return CALL(z, pick(z, POOL_MEM), cmd, range);
}

static long do_prefault(void *ctx)
{
	return do_range(ctx, VIREO_MEM_PREFAULT);
}

static long do_discard(void *ctx)
{
	return do_range(ctx, VIREO_MEM_DISCARD);
}

static long do_log(void *ctx)
{
	struct fuzzer *z = ctx;
	struct vireo_dirty_log log = { .size = sizeof(log) };

	return put(z, POOL_LOG,
		   CALL(z, pick(z, POOL_MEM), VIREO_MEM_DIRTY_LOG, log));
}

static long do_fetch(void *ctx)
{
	struct fuzzer *z = ctx;
	struct rng *r = &z->rng;
	uint64_t bits[MAX_PAGES / 64] = {};
	struct vireo_dirty_fetch fetch = {
		.size = sizeof(fetch),
		.flags = rng_one_in(r, 4) ? VIREO_DIRTY_PEEK : 0,
		.start = HUGE * rng_below(r, 2),
		.len = any_len(z),
		.bitmap = arena_put(&z->arena, r, bits, sizeof(bits)),
		.huge = rng_one_in(r, 2) ? (uintptr_t)z->out : 0,
	};

	/* Not beyond the buffer. */
	if (fetch.len > MAX_PAGES * PAGE && rng_one_in(r, 2))
		fetch.len = PAGE;
	if (fetch.len <= MAX_PAGES * PAGE && rng_one_in(r, 2))
		fetch.bitmap = (uintptr_t)z->out + 8 * rng_below(r, 64);
	return CALL(z, pick(z, POOL_LOG), VIREO_DIRTY_FETCH, fetch);
}

static long do_snapshot(void *ctx)
{
	struct fuzzer *z = ctx;
	struct vireo_mem_snapshot snapshot = { .size = sizeof(snapshot) };

	if (rng_one_in(&z->rng, 2))
		snapshot.limit = PAGE * rng_below(&z->rng, 100);
	return put(z, POOL_SNAPSHOT,
		   CALL(z, pick(z, POOL_MEM), VIREO_MEM_SNAPSHOT, snapshot));
}

static long do_snapshot_stat(void *ctx)
{
	struct vireo_snapshot_stat stat = { .size = sizeof(stat) };

	return CALL(ctx, pick(ctx, POOL_SNAPSHOT), VIREO_SNAPSHOT_STAT, stat);
}

static long do_tell(void *ctx)
{
	struct fuzzer *z = ctx;
	struct rng *r = &z->rng;
	struct vireo_mem_map map = {
		.size = sizeof(map),
		.flags = rng_one_in(r, 4) ? VIREO_MEM_MAP_READONLY : 0,
		.gpa = GPA + any_start(z),
		.len = any_len(z),
		.offset = rng_one_in(r, 2) ? 0 : any_start(z),
		.mem_fd = pick(z, POOL_MEM),
	};

	return CALL(z, pick(z, POOL_VM), VIREO_MEM_MAP, map);
}

/* Hardly ever one that is there: from a few that are tried first. */
static long do_untell(void *ctx)
{
	struct fuzzer *z = ctx;
	int vm = pool_find(&z->s->pool, &z->rng, POOL_VM);
	struct vireo_mem_map map = {
		.size = sizeof(map),
		.gpa = GPA + PAGE * rng_below(&z->rng, 4),
		.len = PAGE,
		.mem_fd = pick(z, POOL_MEM),
	};

	IOCTL(vm, VIREO_MEM_MAP, &map);
	map.mem_fd = 0;
	return CALL(z, vm, VIREO_MEM_UNMAP, map);
}

static long do_wild(void *ctx)
{
	struct fuzzer *z = ctx;
	struct rng *r = &z->rng;
	uint64_t data[8];
	unsigned int i;
	int fd;

	for (i = 0; i < ARRAY_LEN(data); i++)
		data[i] = rng_edge(r);
	fd = pool_find(&z->s->pool, r, POOL_MEM + rng_below(r, 3));
	if (fd < 0)
		return -EAGAIN;
	return IOCTL(fd, VIREO_IOC << 8 | (0xc0 + rng_below(r, 0x40)),
		     arena_put(&z->arena, r, data, sizeof(data)));
}

/* ---- mappings ------------------------------------------------------------ */

static long do_mmap(void *ctx)
{
	struct fuzzer *z = ctx;
	struct rng *r = &z->rng;
	bool frozen = rng_one_in(r, 3);
	struct pool_map *map = malloc(sizeof(*map));
	int prot = frozen ? PROT_READ : PROT_READ | PROT_WRITE;
	int flags = MAP_SHARED;
	off_t at = rng_one_in(r, 2) ? 0 : any_start(z) & -PAGE;

	if (rng_one_in(r, 4))
		flags = MAP_PRIVATE;
	if (flags == MAP_PRIVATE || rng_one_in(r, 8))
		prot = PROT_READ | PROT_WRITE;
	if (rng_one_in(r, 16))
		prot = rng_below(r, 8);
	if (rng_one_in(r, 16))
		flags |= MAP_POPULATE;
	map->size =
		PAGE * (1 + rng_below(r, rng_one_in(r, 2) ? MAX_PAGES : 40));
	map->at = mmap(NULL, map->size, prot, flags,
		       pick(z, frozen ? POOL_SNAPSHOT : POOL_MEM), at);
	if (map->at == MAP_FAILED) {
		free(map);
		return -errno;
	}
	pool_put_map(&z->s->pool, r, map);
	return 0;
}

static long do_munmap(void *ctx)
{
	struct fuzzer *z = ctx;
	struct pool_map *map = pool_take_map(&z->s->pool, &z->rng);
	size_t part;

	if (!map)
		return -ENOENT;
	part = PAGE * rng_below(&z->rng, map->size / PAGE);
	if (part && rng_one_in(&z->rng, 2)) {
		munmap((uint8_t *)map->at + part, map->size - part);
		map->size = part;
		pool_put_map(&z->s->pool, &z->rng, map);
		return 0;
	}
	munmap(map->at, map->size);
	free(map);
	return 0;
}

/* By system calls, which have an error where an access has a signal. */
static long do_touch(void *ctx)
{
	struct fuzzer *z = ctx;
	struct rng *r = &z->rng;
	struct pool_map *map = pool_take_map(&z->s->pool, r);
	struct iovec local, remote;
	size_t i, n, at;
	long ret = 0;

	if (!map)
		return -ENOENT;
	for (i = 0; i < 16; i++) {
		at = rng_below(r, map->size);
		n = 1 + rng_below(r, rng_one_in(r, 4) ? sizeof(z->buf) : 8);
		/* What is behind it is another's. */
		n = n < map->size - at ? n : map->size - at;
		remote.iov_base = (uint8_t *)map->at + at;
		remote.iov_len = local.iov_len = n;
		local.iov_base = z->buf;
		if (rng_one_in(r, 3))
			ret = process_vm_readv(getpid(), &local, 1, &remote, 1,
					       0);
		else
			ret = pread(z->s->pool.noise, remote.iov_base, n,
				    rng_below(r, POOL_NOISE - 1));
	}
	if (ret < 0)
		ret = -errno;
	pool_put_map(&z->s->pool, r, map);
	return ret;
}

static long do_remap(void *ctx)
{
	struct fuzzer *z = ctx;
	struct rng *r = &z->rng;
	struct pool_map *map = pool_take_map(&z->s->pool, r);
	size_t size = PAGE * (1 + rng_below(r, 600)), part;
	long ret = 0;
	void *p;

	if (!map)
		return -ENOENT;
	part = PAGE * (1 + rng_below(r, map->size / PAGE));
	switch (rng_below(r, 6)) {
	case 0:
		ret = mprotect(map->at, part, rng_below(r, 4));
		break;
	case 1:
		/* Not those that poison memory. */
		ret = madvise(map->at, part, rng_below(r, 26));
		break;
	case 2:
		ret = rng_one_in(r, 2) ? mlock(map->at, part) :
					 munlock(map->at, part);
		break;
	case 3:
		/* A second mapping of the same, for 0 bytes of the old. */
		p = mremap(map->at, 0, size, MREMAP_MAYMOVE);
		ret = p == MAP_FAILED ? -1 : munmap(p, size);
		break;
	case 4:
		ret = msync(map->at, part, MS_SYNC);
		break;
	default:
		p = mremap(map->at, map->size, size, MREMAP_MAYMOVE);
		if (p == MAP_FAILED) {
			ret = -1;
			break;
		}
		map->at = p;
		map->size = size;
	}
	if (ret)
		ret = -errno;
	pool_put_map(&z->s->pool, r, map);
	return ret;
}

/* ---- descriptors --------------------------------------------------------- */

static long do_rw(struct fuzzer *z, int fd, uint64_t base)
{
	struct rng *r = &z->rng;
	uint64_t at = base + any_start(z) + rng_below(r, 2 * PAGE);
	size_t n = 1 + rng_below(r, sizeof(z->buf));
	struct pool_map *map =
		rng_one_in(r, 4) ? pool_take_map(&z->s->pool, r) : NULL;
	uint8_t *buf = z->buf;
	long ret;

	/* From or to memory of an object. */
	if (map) {
		buf = map->at;
		n = n < map->size ? n : map->size;
	}
	ret = rng_one_in(r, 2) ? pread(fd, buf, n, at) : pwrite(fd, buf, n, at);
	if (ret < 0)
		ret = -errno;
	pool_put_map(&z->s->pool, r, map);
	return ret;
}

/* Never just any descriptor: what the fuzzer prints goes to one. */
static long do_mem_rw(void *ctx)
{
	struct fuzzer *z = ctx;
	struct shared *s = z->s;

	if (rng_one_in(&z->rng, 3))
		return do_rw(z, s->kept_mem, 0);
	return do_rw(z, pool_find(&s->pool, &z->rng, POOL_MEM), 0);
}

static long do_snapshot_rw(void *ctx)
{
	struct fuzzer *z = ctx;

	return do_rw(z, pool_find(&z->s->pool, &z->rng, POOL_SNAPSHOT), 0);
}

static long do_vm_rw(void *ctx)
{
	struct fuzzer *z = ctx;

	return do_rw(z, pool_find(&z->s->pool, &z->rng, POOL_VM), GPA);
}

static long do_dup(void *ctx)
{
	struct fuzzer *z = ctx;

	return pool_dup(&z->s->pool, &z->rng);
}

static long do_close(void *ctx)
{
	struct fuzzer *z = ctx;
	enum pool_kind kind;
	int fd = pool_take(&z->s->pool, &z->rng, &kind);

	if (fd < 0)
		return -ENOENT;
	/* There is to be a device and a VM. */
	if (kind == POOL_DEV || kind == POOL_VM)
		return put(z, kind, fd);
	return close(fd);
}

static long do_file(void *ctx)
{
	struct fuzzer *z = ctx;
	int fd = pool_find(&z->s->pool, &z->rng,
			   POOL_MEM + rng_below(&z->rng, 3));
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN | POLLOUT };

	switch (rng_below(&z->rng, 4)) {
	case 0:
		return poll(&poll_fd, 1, 0) < 0 ? -errno : 0;
	case 1:
		return lseek(fd, rng_edge(&z->rng), rng_below(&z->rng, 6)) < 0 ?
			       -errno :
			       0;
	case 2:
		return fallocate(fd, rng_below(&z->rng, 4), 0, PAGE) < 0 ?
			       -errno :
			       0;
	}
	return ftruncate(fd, PAGE * rng_below(&z->rng, 4)) < 0 ? -errno : 0;
}

/* ---- processes ----------------------------------------------------------- */

/* In a child: the same mappings and descriptors, for a while. */
static void be_a_child(void *ctx)
{
	struct fuzzer *z = ctx;
	int i;

	for (i = 0; i < 20; i++) {
		do_touch(z);
		do_mem_rw(z);
		do_fetch(z);
		do_snapshot(z);
		do_mmap(z);
		do_discard(z);
	}
}

static long do_fork(void *ctx)
{
	struct fuzzer *z = ctx;

	return fuzz_fork(z->s->f, &z->rng, be_a_child, z);
}

static long do_kill(void *ctx)
{
	struct fuzzer *z = ctx;

	return fuzz_kill(z->s->f, &z->rng);
}

static const struct fuzz_op ops[] = {
	{ "create", do_create, 60, false },
	{ "stat", do_stat, 20, false },
	{ "prefault", do_prefault, 60, false },
	{ "discard", do_discard, 60, false },
	{ "log", do_log, 60, false },
	{ "fetch", do_fetch, 120, false },
	{ "snapshot", do_snapshot, 100, false },
	{ "snapshot-stat", do_snapshot_stat, 20, false },
	{ "tell", do_tell, 40, false },
	{ "untell", do_untell, 30, false },
	{ "wild", do_wild, 30, true },
	{ "mmap", do_mmap, 120, false },
	{ "munmap", do_munmap, 30, false },
	{ "touch", do_touch, 200, false },
	{ "remap", do_remap, 80, false },
	{ "mem-rw", do_mem_rw, 80, false },
	{ "snapshot-rw", do_snapshot_rw, 60, false },
	{ "vm-rw", do_vm_rw, 40, false },
	{ "dup", do_dup, 30, false },
	{ "close", do_close, 60, false },
	{ "file", do_file, 20, false },
	{ "fork", do_fork, 4, false },
	{ "kill", do_kill, 1, true },
};

/* ---- rounds -------------------------------------------------------------- */

static void *fuzz_thread(void *arg)
{
	struct fuzzer *z = arg;

	fuzz_kick_me(20000);
	fuzz_steps(z->s->f, z->number, &z->rng, z);
	return NULL;
}

static int start(struct shared *s, struct rng *r)
{
	int dev, kvm, ret;
	uint8_t *p;

	ret = pool_init(&s->pool, r);
	if (ret)
		return ret;
	dev = vireo_open();
	kvm = kvm_vm_open();
	pool_put(&s->pool, r, POOL_VM, vireo_vm_open(dev, kvm, "mem"));
	s->kept_mem = mem_create(dev, KEPT_PAGES * PAGE,
				 rng_one_in(r, 2) ? VIREO_MEM_HUGE : 0);
	p = mem_map(s->kept_mem, KEPT_PAGES * PAGE);
	if (!p)
		return -ENOMEM;
	for (size_t i = 0; i < KEPT_PAGES; i++)
		page_fill(p + i * PAGE, i, 1);
	munmap(p, KEPT_PAGES * PAGE);
	s->kept = mem_snapshot(s->kept_mem, 0);
	pool_put(&s->pool, r, POOL_DEV, dev);
	pool_put(&s->pool, r, POOL_SNAPSHOT, dup(s->kept));
	return s->kept < 0 ? s->kept : 0;
}

/* The snapshot that was there before all else is what it was. */
static void check_kept(struct shared *s)
{
	uint8_t page[PAGE];

	for (size_t i = 0; i < KEPT_PAGES; i++) {
		ssize_t n = pread(s->kept, page, PAGE, i * PAGE);

		if (n < 0 && errno == EIO && snapshot_stat(s->kept).error)
			return;
		if (n != PAGE || !page_is(page, i, 1)) {
			fuzz_complain(s->f, "page %zu of the snapshot: %zd, %s",
				      i, n,
				      n < 0 ? strerror(errno) : "changed");
			return;
		}
	}
	fuzz_checked(s->f);
}

static uint8_t *make_out(void)
{
	uint8_t *p = mmap(NULL, NOTHING, PROT_NONE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED ||
	    mprotect(p + NOTHING / 2, PAGE, PROT_READ | PROT_WRITE))
		return NULL;
	return p + NOTHING / 2;
}

/* In a process of its own, which ends with it. */
static int one_round(struct fuzz *f, uint64_t seed)
{
	struct rng r = { seed };
	struct shared *s = calloc(1, sizeof(*s));
	struct fuzzer *z = calloc(f->threads, sizeof(*z));
	unsigned int i;
	int ret;

	if (!s || !z) {
		free(z);
		free(s);
		return 1;
	}
	s->f = f;
	ret = start(s, &r);
	if (ret) {
		fuzz_complain(f, "no object: %s", strerror(-ret));
		/* cppcheck-suppress memleak */
		return 1;
	}
	for (i = 0; i < f->threads; i++) {
		z[i].s = s;
		z[i].number = i;
		z[i].rng.state = rng_next(&r);
		z[i].out = make_out();
		if (!z[i].out || arena_init(&z[i].arena) ||
		    pthread_create(&z[i].thread, NULL, fuzz_thread, &z[i]))
			return 1;
	}
	for (i = 0; i < f->threads; i++)
		pthread_join(z[i].thread, NULL);
	check_kept(s);
	return *f->board->complaint != 0;
}

int main(int argc, char **argv)
{
	struct fuzz f = {
		.name = "mem",
		.ops = ops,
		.nr_ops = ARRAY_LEN(ops),
		.round = one_round,
		.threads = 3,
		.steps = 400,
	};

	return fuzz_main(&f, argc, argv);
}
