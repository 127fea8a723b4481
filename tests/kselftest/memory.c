// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common.h"
#include "memory.h"

struct vireo_mem_create mem_template(uint64_t bytes)
{
	struct vireo_mem_create create = {
		.size = sizeof(create), .bytes = bytes, .node = -1,
		.name = "test",
	};

	return create;
}

int mem_create(int dev, uint64_t bytes, uint32_t flags)
{
	struct vireo_mem_create create = mem_template(bytes);

	create.flags = flags;
	return IOCTL(dev, VIREO_MEM_CREATE, &create);
}

uint8_t *mem_map(int mem, size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, mem, 0);

	return p == MAP_FAILED ? NULL : p;
}

uint8_t *mem_map_aligned(int mem, size_t bytes)
{
	uint8_t *p = mmap(NULL, bytes + HUGE, PROT_NONE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return NULL;
	p = (uint8_t *)(((uintptr_t)p + HUGE - 1) & ~(HUGE - 1));
	p = mmap(p, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, mem,
		 0);
	return p == MAP_FAILED ? NULL : p;
}

int object_open(int *dev, int *mem, uint8_t **p, size_t bytes)
{
	*dev = vireo_open();
	if (*dev < 0)
		return *dev;
	*mem = mem_create(*dev, bytes, 0);
	if (*mem < 0)
		return *mem;
	*p = mem_map(*mem, bytes);
	return *p ? 0 : -errno;
}

void object_close(int dev, int mem, uint8_t *p, size_t bytes)
{
	munmap(p, bytes);
	close(mem);
	close(dev);
}

void settle(void)
{
	unsigned long nodes = 1;

	/* From node 0 to node 0: nothing moves. */
	syscall(SYS_migrate_pages, 0, 64UL, &nodes, &nodes);
}

int mem_log(int mem)
{
	struct vireo_dirty_log arg = { .size = sizeof(arg) };

	/* What is held when a log begins is in it. */
	settle();
	return IOCTL(mem, VIREO_MEM_DIRTY_LOG, &arg);
}

int mem_snapshot(int mem, uint64_t limit)
{
	struct vireo_mem_snapshot arg = { .size = sizeof(arg), .limit = limit };

	return IOCTL(mem, VIREO_MEM_SNAPSHOT, &arg);
}

static int range(int mem, unsigned long cmd, uint64_t start, uint64_t len)
{
	struct vireo_mem_range arg = {
		.size = sizeof(arg), .start = start, .len = len,
	};
	int ret = IOCTL(mem, cmd, &arg);

	return !ret && arg.done != len ? -EPROTO : ret;
}

int mem_prefault(int mem, uint64_t start, uint64_t len)
{
	return range(mem, VIREO_MEM_PREFAULT, start, len);
}

int mem_discard(int mem, uint64_t start, uint64_t len)
{
	return range(mem, VIREO_MEM_DISCARD, start, len);
}

struct vireo_mem_stat mem_stat(int mem)
{
	struct vireo_mem_stat stat = { .size = sizeof(stat) };

	if (ioctl(mem, VIREO_MEM_STAT, &stat))
		memset(&stat, 0, sizeof(stat));
	return stat;
}

struct vireo_snapshot_stat snapshot_stat(int snapshot)
{
	struct vireo_snapshot_stat stat = { .size = sizeof(stat) };

	if (ioctl(snapshot, VIREO_SNAPSHOT_STAT, &stat))
		memset(&stat, 0, sizeof(stat));
	return stat;
}

int mem_tell(int vm, int mem, uint64_t gpa, uint64_t len, uint32_t flags)
{
	struct vireo_mem_map arg = {
		.size = sizeof(arg), .flags = flags, .gpa = gpa, .len = len,
		.mem_fd = mem,
	};

	return IOCTL(vm, VIREO_MEM_MAP, &arg);
}

/* ---- logs ---------------------------------------------------------------- */

int log_fetch(int log, struct dirty *d, uint64_t start, uint64_t len,
	      uint32_t flags)
{
	struct vireo_dirty_fetch arg = {
		.size = sizeof(arg), .flags = flags, .start = start, .len = len,
		.bitmap = (uintptr_t)d->map, .huge = (uintptr_t)d->huge,
	};
	int ret;

	/*
	 * What the call leaves as it was is seen.  It may be interrupted without
	 * a signal, too: a ring of io_uring that goes has work for its owner.
	 */
	do {
		memset(d, 0xff, sizeof(*d));
		ret = IOCTL(log, VIREO_DIRTY_FETCH, &arg);
	} while (ret == -EINTR && !arg.done);
	d->pages = arg.pages;
	return ret;
}

long log_take(int log, struct dirty *d, uint64_t bytes)
{
	int ret = log_fetch(log, d, 0, bytes, 0);

	return ret ? ret : (long)d->pages;
}

bool log_is(int log, uint64_t bytes, const int *pages)
{
	struct dirty *d = malloc(sizeof(*d));
	uint64_t n, count = 0;
	bool want, ok = true;
	const int *p;
	long ret;

	settle();
	ret = log_take(log, d, bytes);
	if (ret < 0) {
		fprintf(stderr, "# fetch: %s\n", strerror(-ret));
		free(d);
		return false;
	}
	for (n = 0; n < bytes / PAGE; n++) {
		want = false;
		for (p = pages; *p >= 0; p++)
			want |= (uint64_t)*p == n;
		count += dirty_page(d, n);
		if (dirty_page(d, n) == want)
			continue;
		if (ok)
			fprintf(stderr, "# page %llu is %s\n",
				(unsigned long long)n,
				want ? "not reported" : "reported");
		ok = false;
	}
	if (d->pages != count) {
		fprintf(stderr, "# pages is %llu of %llu\n",
			(unsigned long long)d->pages,
			(unsigned long long)count);
		ok = false;
	}
	free(d);
	return ok;
}

/* ---- contents ------------------------------------------------------------ */

void page_fill(void *page, size_t number, uint64_t version)
{
	uint64_t *word = page;

	for (size_t i = 0; i < PAGE / 8; i++)
		word[i] = version << 32 | number;
}

bool page_is(const void *page, size_t number, uint64_t version)
{
	const uint64_t *word = page;

	for (size_t i = 0; i < PAGE / 8; i++)
		if (word[i] != (version << 32 | number))
			return false;
	return true;
}

bool page_is_zero(const void *page)
{
	return page_is(page, 0, 0);
}

/* ---- a guest ------------------------------------------------------------- */

int guest_map_object(struct guest *g, void *at, size_t bytes)
{
	struct kvm_userspace_memory_region slot = {
		.slot = 1, .guest_phys_addr = GUEST_OBJECT,
		.memory_size = bytes, .userspace_addr = (uintptr_t)at,
	};

	return IOCTL(g->vm, KVM_SET_USER_MEMORY_REGION, &slot);
}

int guest_store(struct guest *g, uint64_t offset, uint64_t value)
{
	guest_reset(g);
	guest_add(g, 0, GUEST_WRITE, 8, GUEST_OBJECT + offset, value);
	return guest_run(g, 0);
}

int in_child(int (*fn)(void *arg), void *arg)
{
	int status;
	pid_t pid = fork();

	if (!pid)
		_exit(fn(arg));
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return -errno;
	return WIFEXITED(status) ? WEXITSTATUS(status) :
				   256 + WTERMSIG(status);
}
