/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The rule interpreter and the POST ring: pure logic, no KVM, no allocation,
 * no locks of its own.  It also builds in user space (userspace.h).
 */
#ifndef _VIREO_RULES_H
#define _VIREO_RULES_H

#ifdef __KERNEL__
#include <linux/build_bug.h>
#include <linux/compiler.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/string.h>
#include <linux/types.h>
#include <asm/barrier.h>
#else
#include "userspace.h"
#endif

#include <linux/vireo.h>

/* Rules that one region can have; an index must fit vireo_rules.first[]. */
#define VIREO_MAX_RULES 64

/* Offsets below this find their first candidate op without a search. */
#define VIREO_RULES_INDEXED 128

struct eventfd_ctx;

/* Directions of an access, as array indices. */
enum vireo_dir { VIREO_READ, VIREO_WRITE, VIREO_NR_DIRS };

/* What one op does. */
enum vireo_action {
	VIREO_ACT_LOAD,	   /* read from the shadow page */
	VIREO_ACT_CONST,   /* read a constant */
	VIREO_ACT_INDEXED, /* read what an index selects */
	VIREO_ACT_STORE,   /* write to the shadow page */
	VIREO_ACT_DROP,	   /* ignore a write */
	VIREO_ACT_POST,	   /* append a write to the ring */
	VIREO_ACT_EVENT,   /* signal an eventfd if the data match */
};

/**
 * struct vireo_op - what one rule does in one direction
 * @offset: first byte, from the start of the region
 * @len: bytes covered
 * @shadow: LOAD, STORE: first byte in the shadow page
 * @widths: VIREO_WIDTH_* bits
 * @action: enum vireo_action
 * @type: VIREO_RULE_* of the rule, for counting
 * @rule: index of the rule in the caller's table
 * @unless: INDEXED: decides if the index does not match
 * @ones: INDEXED: reads all ones
 * @index: INDEXED: where the index is in the shadow page
 * @index_mask: INDEXED: bits of the index that select
 * @value: CONST: the value; EVENT, INDEXED: what to match
 * @mask: EVENT, INDEXED: bits to match
 * @ctx: EVENT: the eventfd; the region owns the reference
 *
 * Read-only once the region is published.
 */
struct vireo_op {
	u32 offset;
	u32 len;
	u16 shadow;
	u8 widths;
	u8 action;
	u8 type;
	u8 rule;
	bool unless;
	bool ones;
	u16 index;
	u16 index_mask;
	u64 value;
	u64 mask;
	struct eventfd_ctx *ctx;
};

/**
 * struct vireo_rules - a checked and compiled rule table
 * @begin: index of the first op of each direction
 * @end: index after the last one
 * @first: for small offsets the index of the first op whose range has the
 *         offset, or @end
 * @op: the ops, reads before writes, each in table order
 *
 * Allocated by the caller with room for two ops a rule.  Read-only once the
 * region is published.
 */
struct vireo_rules {
	u8 begin[VIREO_NR_DIRS];
	u8 end[VIREO_NR_DIRS];
	u8 first[VIREO_NR_DIRS][VIREO_RULES_INDEXED];
	struct vireo_op op[];
};

int vireo_rules_compile(struct vireo_rules *t, const struct vireo_rule *rules,
			u32 nr, u64 region_len);
const struct vireo_op *vireo_rules_read(const struct vireo_rules *t,
					const u8 *shadow, u32 off, u32 len,
					void *val);
const struct vireo_op *vireo_rules_write(const struct vireo_rules *t,
					 u8 *shadow, u32 off, u32 len,
					 u64 data);

/**
 * vireo_load() - the little-endian value of an access
 * @p: its bytes; any alignment
 * @len: 1, 2, 4 or 8; other lengths give 0
 *
 * Return: the value, zero-extended.
 */
static inline u64 vireo_load(const void *p, u32 len)
{
	u64 v8;
	u32 v4;
	u16 v2;

	switch (len) {
	case 1:
		return *(const u8 *)p;
	case 2:
		memcpy(&v2, p, 2);
		return v2;
	case 4:
		memcpy(&v4, p, 4);
		return v4;
	case 8:
		memcpy(&v8, p, 8);
		return v8;
	}
	return 0;
}

/**
 * vireo_store() - store the low bytes of a value
 * @p: where; any alignment
 * @len: 1, 2, 4 or 8; other lengths store nothing
 * @v: the value
 */
static inline void vireo_store(void *p, u32 len, u64 v)
{
	u32 v4 = v;
	u16 v2 = v;

	switch (len) {
	case 1:
		*(u8 *)p = v;
		break;
	case 2:
		memcpy(p, &v2, 2);
		break;
	case 4:
		memcpy(p, &v4, 4);
		break;
	case 8:
		memcpy(p, &v, 8);
		break;
	}
}

/**
 * struct vireo_post_ring - the module's side of a POST ring
 * @shared: the page that the owner sees; nothing read from it is trusted
 * @mask: entries - 1
 * @tail: next entry to fill; the copy in @shared is only for the owner
 *
 * The caller serializes vireo_ring_push().
 */
struct vireo_post_ring {
	struct vireo_ring *shared;
	u32 mask;
	u32 tail;
};

/* Results of vireo_ring_push(). */
enum vireo_push {
	VIREO_PUSH_FULL,   /* not appended */
	VIREO_PUSH_DONE,   /* appended; the owner knows of earlier ones */
	VIREO_PUSH_SIGNAL, /* appended to an empty ring: wake the owner */
};

void vireo_ring_init(struct vireo_post_ring *ring, struct vireo_ring *shared,
		     u32 entries);
enum vireo_push vireo_ring_push(struct vireo_post_ring *ring, u32 offset,
				u32 width, u16 vcpu, u64 value);

#endif /* _VIREO_RULES_H */
