/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The descriptors and mappings that the threads of an ioctl fuzzer share, and
 * addresses that are not what the kernel hopes for.
 *
 * No locks: a slot is taken by exchanging it for nothing, so that a descriptor
 * in a slot is open and of the kind that the slot says.
 */
#ifndef VIREO_FUZZ_POOL_H
#define VIREO_FUZZ_POOL_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "fuzz.h"

#define POOL_FDS 48
#define POOL_MAPS 16

enum pool_kind {
	POOL_DEV,
	POOL_KVM_VM,
	POOL_KVM_VCPU,
	POOL_VM,
	POOL_VCPU,
	POOL_EVENT,
	POOL_MEM,
	POOL_LOG,
	POOL_SNAPSHOT,
	POOL_OTHER,
	POOL_KINDS,
};

struct pool_map {
	void *at;
	size_t size;
};

struct pool {
	/* kind << 32 | fd + 1, 0 if empty */
	_Atomic uint64_t fd[POOL_FDS];
	_Atomic(struct pool_map *) map[POOL_MAPS];
	int noise; /* a file of random bytes */
};

#define POOL_NOISE 65536

int pool_init(struct pool *p, struct rng *r);

/* An open descriptor of a kind, or -1: for looks that must be of that kind. */
int pool_find(struct pool *p, struct rng *r, enum pool_kind kind);
/* Mostly that; now and then any descriptor or number. */
int pool_pick(struct pool *p, struct rng *r, enum pool_kind kind);
/* Gives a descriptor to the pool, for one that it closes; the same or -errno. */
int pool_put(struct pool *p, struct rng *r, enum pool_kind kind, int fd);
/*
 * The same for what an ioctl gave: one with another number than was meant may
 * give 0, and what the fuzzer prints goes to a low one.
 */
int pool_put_new(struct pool *p, struct rng *r, enum pool_kind kind, int fd);
/* Puts a second one of any; it or -errno. */
int pool_dup(struct pool *p, struct rng *r);
/* Takes any; -1 if the slot is empty. */
int pool_take(struct pool *p, struct rng *r, enum pool_kind *kind);

struct pool_map *pool_take_map(struct pool *p, struct rng *r);
/* For one that is unmapped; NULL is nothing. */
void pool_put_map(struct pool *p, struct rng *r, struct pool_map *map);

/*
 * Where a thread puts arguments: two pages, one that cannot be accessed, one
 * that cannot be written, all below 4 GiB.
 */
struct arena {
	uint8_t *page;
};

int arena_init(struct arena *a);
/* The address of a copy of data, or one that is wrong in some way. */
uint64_t arena_put(struct arena *a, struct rng *r, const void *data,
		   size_t size);

/* Changes a struct that begins with its size; what it is then. */
size_t spoil_struct(struct rng *r, uint8_t *data, size_t size, size_t room);

#endif
