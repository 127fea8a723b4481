/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Limits of a disk in operations and bytes a second: leaky buckets, for reads,
 * writes and both together.
 *
 * Each limit has a bucket that leaks at its rate.  A request may begin if none
 * of its buckets is full, and then adds what it is to them: 1, or its bytes.  A
 * bucket holds as much as may come at once (the burst; a tenth of a second's
 * worth if there is none), so that a request larger than that passes as well,
 * and is paid for by those after it.
 *
 * Locks:
 *   throttle.lock   mutex   all of it; held for a few additions.  A disk's
 *                           loops share it, if the disk has a limit.
 */
#ifndef VIREO_BLOCK_THROTTLE_H
#define VIREO_BLOCK_THROTTLE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

enum throttle_kind {
	THROTTLE_OPS,
	THROTTLE_OPS_READ,
	THROTTLE_OPS_WRITE,
	THROTTLE_BYTES,
	THROTTLE_BYTES_READ,
	THROTTLE_BYTES_WRITE,
	THROTTLE_KINDS,
};

struct throttle_limit {
	uint64_t rate;	/* a second; 0: no limit */
	uint64_t burst; /* at once; 0: a tenth of a second's worth */
};

struct throttle {
	pthread_mutex_t lock;
	bool on; /* some limit is set; read without the lock */
	struct throttle_limit limits[THROTTLE_KINDS];
	/* How full they are, in 10^-9 of an operation or byte. */
	unsigned __int128 levels[THROTTLE_KINDS];
	uint64_t since; /* ns: when levels were right */
};

void throttle_init(struct throttle *t);
void throttle_destroy(struct throttle *t);
/* All limits at once; what was done before is forgotten. */
void throttle_set(struct throttle *t, const struct throttle_limit *limits);
void throttle_get(struct throttle *t, struct throttle_limit *limits);

static inline bool throttle_on(const struct throttle *t)
{
	return __atomic_load_n(&t->on, __ATOMIC_RELAXED);
}

/*
 * At time @now (ns, which does not go back by much): 0 if a request of @bytes
 * may begin, and then it has; else after how many ns to ask again.
 */
uint64_t throttle_ask(struct throttle *t, uint64_t now, bool write,
		      uint64_t bytes);

#endif
