/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The conformance test of the rule interpreters: random regions, and random
 * scripts of what the guest and the owner of the region do.  The VMM's
 * interpreter says what must happen; a target, which has the module's, does it.
 * Compared are each value, which accesses are passed to user space, each event
 * and ring entry, and the shadow pages.
 *
 * Everything follows from the seed.  Nothing here has threads.
 */
#ifndef VIREO_TESTS_CONFORM_H
#define VIREO_TESTS_CONFORM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/vireo.h>

#define CONFORM_MAX_RULES 24
#define CONFORM_EVENTS 3
#define CONFORM_MAX_BATCH 128

/* A rule's fd is -1 or the number of an event. */
struct conform_region {
	struct vireo_rule rules[CONFORM_MAX_RULES];
	uint32_t nr_rules;
	uint32_t len;
	uint32_t shadow_pages;
	uint32_t ring_entries;
};

/* One access of the guest; it may begin before the region. */
struct conform_access {
	int32_t off;
	uint8_t width;
	bool write;
	uint64_t data; /* to write */
	/* What came of it. */
	bool passed;
	uint64_t value; /* read, if not passed */
};

struct conform_target {
	unsigned int max_width;
	bool real_time;

	/* Set by open. */
	uint8_t *shadow;
	struct vireo_ring *ring; /* NULL if there is none */

	/* 0 or -errno. */
	int (*open)(struct conform_target *t, const struct conform_region *r);
	void (*close)(struct conform_target *t);
	int (*enable)(struct conform_target *t, bool enable);
	/* Carries out accesses, one after the other. */
	int (*run)(struct conform_target *t, struct conform_access *a,
		   unsigned int nr);
	/*
	 * How often an event, or the ring's if it is CONFORM_EVENTS, was
	 * signalled since it was last asked.
	 */
	uint64_t (*events)(struct conform_target *t, unsigned int event);
};

/* What a run did, so that it can be seen to have tested something. */
struct conform_counts {
	unsigned long accesses;
	unsigned long regions;
	unsigned long served;
	unsigned long passed;
	unsigned long full; /* of passed: the ring was full */
	unsigned long posts;
	unsigned long events;
	unsigned long clocks;
};

/*
 * At least @accesses of them.  0, or -1 with a message that names the seed of
 * the region that failed, which as @seed makes it the first one.
 */
int conform_run(struct conform_target *t, uint64_t seed, unsigned long accesses,
		struct conform_counts *counts, char *why, size_t why_size);

/* The number in an environment variable, or a default. */
unsigned long conform_env(const char *name, unsigned long otherwise);

#endif
