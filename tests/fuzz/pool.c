// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "pool.h"

#define PAGE 4096

int pool_init(struct pool *p, struct rng *r)
{
	uint64_t noise[POOL_NOISE / 8];
	size_t i;

	for (i = 0; i < POOL_NOISE / 8; i++)
		noise[i] = rng_one_in(r, 2) ? rng_edge(r) : rng_next(r);
	p->noise = memfd_create("noise", MFD_CLOEXEC);
	if (p->noise < 0)
		return -errno;
	return write(p->noise, noise, sizeof(noise)) == sizeof(noise) ? 0 :
									-EIO;
}

int pool_find(struct pool *p, struct rng *r, enum pool_kind kind)
{
	unsigned int i = rng_below(r, POOL_FDS), n;
	uint64_t slot;

	for (n = 0; n < POOL_FDS; n++) {
		slot = p->fd[(i + n) % POOL_FDS];
		if (slot && slot >> 32 == kind)
			return (int)(uint32_t)slot - 1;
	}
	return -1;
}

int pool_pick(struct pool *p, struct rng *r, enum pool_kind kind)
{
	if (rng_one_in(r, 64))
		return rng_edge(r);
	if (rng_one_in(r, 24))
		kind = rng_below(r, POOL_KINDS);
	return pool_find(p, r, kind);
}

int pool_put(struct pool *p, struct rng *r, enum pool_kind kind, int fd)
{
	uint64_t slot;

	if (fd < 0)
		return fd;
	slot = (uint64_t)kind << 32 | (uint32_t)(fd + 1);
	slot = atomic_exchange(&p->fd[rng_below(r, POOL_FDS)], slot);
	if (slot)
		close((int)(uint32_t)slot - 1);
	return fd;
}

int pool_put_new(struct pool *p, struct rng *r, enum pool_kind kind, int fd)
{
	return fd <= STDERR_FILENO ? fd : pool_put(p, r, kind, fd);
}

int pool_dup(struct pool *p, struct rng *r)
{
	enum pool_kind kind;
	int fd = pool_take(p, r, &kind);

	if (fd < 0)
		return -ENOENT;
	pool_put_new(p, r, kind, dup(fd));
	return pool_put(p, r, kind, fd);
}

int pool_take(struct pool *p, struct rng *r, enum pool_kind *kind)
{
	uint64_t slot = atomic_exchange(&p->fd[rng_below(r, POOL_FDS)], 0);

	*kind = slot >> 32;
	return (int)(uint32_t)slot - 1;
}

struct pool_map *pool_take_map(struct pool *p, struct rng *r)
{
	return atomic_exchange(&p->map[rng_below(r, POOL_MAPS)], NULL);
}

void pool_put_map(struct pool *p, struct rng *r, struct pool_map *map)
{
	map = atomic_exchange(&p->map[rng_below(r, POOL_MAPS)], map);
	if (!map)
		return;
	munmap(map->at, map->size);
	free(map);
}

/* ---- arguments ----------------------------------------------------------- */

int arena_init(struct arena *a)
{
	void *p = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);

	if (p == MAP_FAILED)
		return -errno;
	a->page = p;
	if (mprotect(p + 2 * PAGE, PAGE, PROT_NONE))
		return -errno;
	return 0;
}

static uint64_t wrong_address(struct rng *r)
{
	switch (rng_below(r, 5)) {
	case 0:
		return 0;
	case 1:
		return 0xffff888000000000 + rng_below(r, 1U << 20);
	case 2:
		return 0x7fffffffe000 + rng_below(r, 8192);
	case 3:
		return 1ULL << 47 | rng_next(r);
	}
	return rng_edge(r);
}

uint64_t arena_put(struct arena *a, struct rng *r, const void *data,
		   size_t size)
{
	uint8_t *at = a->page + 8 * rng_below(r, PAGE / 8);
	size_t part;

	switch (rng_below(r, 32)) {
	case 0:
		return wrong_address(r);
	case 1:
		/* Ends with the last byte that there is. */
		at = a->page + 2 * PAGE - size;
		break;
	case 2:
		/* Ends after it. */
		part = rng_below(r, size + 1);
		at = a->page + 2 * PAGE - part;
		memcpy(at, data, part);
		return (uintptr_t)at;
	case 3:
		/* Nothing can be given back. */
		at = a->page + 3 * PAGE + rng_below(r, PAGE - size + 1);
		mprotect(a->page + 3 * PAGE, PAGE, PROT_READ | PROT_WRITE);
		memcpy(at, data, size);
		mprotect(a->page + 3 * PAGE, PAGE, PROT_READ);
		return (uintptr_t)at;
	case 4:
		at = a->page + rng_below(r, PAGE);
		break;
	}
	memcpy(at, data, size);
	return (uintptr_t)at;
}

size_t spoil_struct(struct rng *r, uint8_t *data, size_t size, size_t room)
{
	uint32_t said = size, edge = rng_edge(r);

	memset(data + size, 0, room - size);
	switch (rng_below(r, 6)) {
	case 0:
		/* Shorter, or more of nothing, or more of something. */
		said = rng_below(r, room + 1);
		if (rng_one_in(r, 2))
			data[rng_below(r, room)] ^= 1U << rng_below(r, 8);
		break;
	case 1:
		said = edge;
		break;
	case 2:
		memcpy(data + 4 * rng_below(r, size / 4), &edge, 4);
		break;
	default:
		data[rng_below(r, size)] ^= 1U << rng_below(r, 8);
		return size;
	}
	memcpy(data, &said, sizeof(said));
	return said < room ? said : room;
}
