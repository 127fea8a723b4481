/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Memory with a ring of either kind. */
#ifndef TEST_RING_RIG_H
#define TEST_RING_RIG_H

#include "cmocka_unit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <linux/virtio_ring.h>

#include "memory.h"
#include "virtio/ring.h"

#define RAM (2ULL << 20)
#define TABLE 0x4003 /* a table need not be aligned */
#define DATA 0x100000ULL

struct ring_rig {
	struct mem mem;
	struct ring ring;
	struct ring_chain chain; /* that was popped last */
};

static inline void ring_rig_init(struct ring_rig *r)
{
	const struct mem_options opt = { .size = RAM };

	assert_int_equal(mem_init(&r->mem, &mem_backend_memfd, &opt, NULL), 0);
}

/* Nothing is to be had of it, and it says why. */
static inline void ring_rig_fault(struct ring_rig *r, const char *what)
{
	assert_int_equal(ring_pop(&r->ring, &r->chain), -EINVAL);
	assert_string_equal(r->ring.fault, what);
}

#endif
