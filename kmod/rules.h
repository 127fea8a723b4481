/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The rule interpreter and the POST ring: pure logic, no KVM, no allocation,
 * no locks of its own.  It also builds in user space (userspace.h).
 */
#ifndef _VIREO_RULES_H
#define _VIREO_RULES_H

#ifdef __KERNEL__
#include <linux/atomic.h>
#include <linux/build_bug.h>
#include <linux/compiler.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/ktime.h>
#include <linux/math64.h>
#include <linux/string.h>
#include <linux/types.h>
#include <asm/barrier.h>
#else
#include "userspace.h"
#endif

#include <linux/vireo.h>

/* Rules that one region can have; an index must fit vireo_rules.end[]. */
#define VIREO_MAX_RULES 64

/* Offsets below this find their first candidate op without a search. */
#define VIREO_RULES_INDEXED 128

struct eventfd_ctx;

/* Directions of an access, as array indices. */
enum vireo_dir { VIREO_READ, VIREO_WRITE, VIREO_NR_DIRS };

/* What one op does; from VIREO_ACT_EVENT on, in more than a few steps. */
enum vireo_action {
	VIREO_ACT_PASS,	      /* ends a search: to user space */
	VIREO_ACT_LOAD,	      /* read from the shadow pages */
	VIREO_ACT_CONST,      /* read a constant */
	VIREO_ACT_INDEXED,    /* read what an index selects */
	VIREO_ACT_STORE,      /* write to the shadow pages */
	VIREO_ACT_DROP,	      /* ignore a write */
	VIREO_ACT_EVENT,      /* signal an eventfd if the data match */
	VIREO_ACT_CLOCK,      /* read a counter */
	VIREO_ACT_CLEAR,      /* read, or write ones, and clear */
	VIREO_ACT_STORE_BITS, /* write some bits of the shadow pages */
	VIREO_ACT_POST,	      /* append a write to the ring */
};

/**
 * struct vireo_op - what one rule does in one direction
 * @offset: first byte, from the start of the region
 * @len: bytes covered
 * @shadow: first byte in the shadow pages, where the rule has one
 * @widths: VIREO_WIDTH_* bits
 * @action: enum vireo_action
 * @type: VIREO_RULE_* of the rule, for counting
 * @rule: index of the rule in the caller's table
 * @flags: of the rule
 * @index: INDEXED: where the index is in the shadow pages
 * @index_mask: INDEXED: bits of the index that select
 * @value: CONST: the value; EVENT, INDEXED: what to match; CLOCK: counts in
 *         2^64 ns
 * @mask: EVENT, INDEXED: bits to match; CLOCK: bits of the counter;
 *        STORE_BITS, POST: bits to store, not 0
 * @ctx: EVENT, CLEAR: the eventfd or NULL; the region owns the reference
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
	u16 flags;
	u16 index;
	u16 index_mask;
	u64 value;
	u64 mask;
	struct eventfd_ctx *ctx;
};

/**
 * struct vireo_quick - how to serve an access to one small offset
 * @op: the first op whose range has the offset, or the last op, in bytes from
 *      the start of this struct
 * @shadow: of the offset, in the shadow pages; CLOCK: bits of the counter that
 *          are below the offset
 * @widths: of accesses for which @op is a LOAD or a STORE that covers them
 * @covers: widths of accesses that @op covers
 * @type: VIREO_RULE_* of @op, for counting
 * @action: of @op, or VIREO_ACT_PASS for an INDEXED with READ_ONES
 */
struct vireo_quick {
	u16 op;
	u16 shadow;
	u8 widths;
	u8 covers;
	u8 type;
	u8 action;
};

/* The table of a region that serves nothing: to user space. */
extern const struct vireo_quick vireo_quick_none[VIREO_RULES_INDEXED];

/**
 * struct vireo_rules - a checked and compiled rule table
 * @begin: index of the first op of each direction
 * @end: index after the last one, of an op that covers everything and passes
 * @quick: for small offsets, what is known beforehand
 * @op: the ops, reads before writes, each in table order
 *
 * Allocated by the caller with room for VIREO_RULES_OPS(rules) ops.  Read-only
 * once the region is published.
 */
struct vireo_rules {
	u8 begin[VIREO_NR_DIRS];
	u8 end[VIREO_NR_DIRS];
	struct vireo_quick quick[VIREO_NR_DIRS][VIREO_RULES_INDEXED];
	struct vireo_op op[];
};

/* Two for each rule, and the last of each direction. */
#define VIREO_RULES_OPS(nr) (2 * (nr) + VIREO_NR_DIRS)

int vireo_rules_compile(struct vireo_rules *t, const struct vireo_rule *rules,
			u32 nr, u64 region_len, u64 shadow_len);

/**
 * vireo_load() - the little-endian value of an access
 * @p: its bytes; any alignment
 * @len: 1, 2, 4 or 8; other lengths give 0
 *
 * Return: the value, zero-extended.
 */
static __always_inline u64 vireo_load(const void *p, u32 len)
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
 * vireo_copy() - move the bytes of an access
 * @to: where to; any alignment
 * @from: where from; any alignment
 * @len: any number
 *
 * Each byte is read once, whatever other threads do to it.
 *
 * Return: whether @len is 1, 2, 4 or 8; if not, nothing was moved.
 */
static __always_inline bool vireo_copy(void *to, const void *from, u32 len)
{
	switch (len) {
	case 1:
		memcpy(to, from, 1);
		return true;
	case 2:
		memcpy(to, from, 2);
		return true;
	case 4:
		memcpy(to, from, 4);
		return true;
	case 8:
		memcpy(to, from, 8);
		return true;
	}
	return false;
}

/*
 * Serving an access.  In a header and without a check that another one makes,
 * since each call and each comparison here is a part of every exit.
 */

/*
 * The whole access within the op?  Unsigned arithmetic: an access below the
 * op gives a huge distance.  A width that is no power of two may slip through
 * here; vireo_copy() and vireo_width_ok() stop it.
 */
static __always_inline bool vireo_op_covers(const struct vireo_op *op, u32 dist,
					    u32 len)
{
	return dist < op->len && len <= op->len - dist && (op->widths & len);
}

/* Of 1 to 8, or of what shares a bit with the widths of an op. */
static __always_inline bool vireo_width_ok(u32 len)
{
	return !(len & (len - 1));
}

/* The op that @q is about. */
static __always_inline const struct vireo_op *
vireo_quick_op(const struct vireo_quick *q)
{
	return (const void *)((const u8 *)q + q->op);
}

/**
 * vireo_first_op() - where to begin the search
 * @t: the region's table
 * @dir: direction of the access
 * @off: from the start of the region
 *
 * Return: an op before which none covers the access.
 */
static __always_inline const struct vireo_op *
vireo_first_op(const struct vireo_rules *t, enum vireo_dir dir, u32 off)
{
	if (likely(off < VIREO_RULES_INDEXED))
		return vireo_quick_op(&t->quick[dir][off]);
	return &t->op[t->begin[dir]];
}

/*
 * Where the data of an INDEXED op are, or NULL if it does not decide.  The
 * index is in a shared page, where the owner may change it at any time: it is
 * read once, and all that it can select lies within the pages.
 */
static __always_inline const void *
vireo_indexed_data(const struct vireo_op *op, const u8 *shadow, u32 dist)
{
	static const u64 ones = ~0ULL;
	u32 idx = READ_ONCE(*(const u32 *)(shadow + op->index));

	if (((idx & (u32)op->mask) == (u32)op->value) ==
	    !!(op->flags & VIREO_RULE_NOT_EQUAL))
		return NULL;
	if (op->flags & VIREO_RULE_READ_ONES)
		return &ones;
	return shadow + op->shadow + (idx & op->index_mask) + dist;
}

/**
 * vireo_rules_load() - a guest's read, if it is plainly of the shadow pages
 * @q: what is known of its offset
 * @shadow: the region's shadow pages
 * @len: bytes; any number
 * @val: where to put the data
 *
 * What vireo_rules_read() does where the first candidate is a load.
 *
 * Return: whether it was served, by VIREO_RULE_* @q->type; if not, vireo_rules_read()
 * decides.
 */
static __always_inline bool vireo_rules_load(const struct vireo_quick *q,
					     const u8 *shadow, u32 len,
					     void *val)
{
	return (q->widths & len) && vireo_copy(val, shadow + q->shadow, len);
}

/**
 * vireo_rules_read() - a guest's read
 * @op: vireo_first_op()
 * @shadow: the region's shadow pages
 * @off: from the start of the region
 * @len: bytes; any number
 * @val: where to put the data; untouched if no op decides
 *
 * Return: the op that decides, or NULL: to user space.  If it is slow,
 * vireo_rules_read_slow() must be called to carry it out.
 */
static __always_inline const struct vireo_op *
vireo_rules_read(const struct vireo_op *op, const u8 *shadow, u32 off, u32 len,
		 void *val)
{
	const void *data;

	if (unlikely(len - 1 > 7))
		return NULL;
	/* The last op covers what is left and ends the search. */
	for (;; op++) {
		u32 dist = off - op->offset;

		if (!vireo_op_covers(op, dist, len))
			continue;
		if (op->action == VIREO_ACT_INDEXED) {
			data = vireo_indexed_data(op, shadow, dist);
			if (!data)
				continue;
		} else if (op->action == VIREO_ACT_LOAD) {
			data = shadow + op->shadow + dist;
		} else if (op->action == VIREO_ACT_CONST) {
			data = &op->value;
		} else {
			if (op->action == VIREO_ACT_PASS ||
			    !vireo_width_ok(len))
				return NULL;
			if (op->action == VIREO_ACT_CLEAR && dist & (len - 1))
				continue;
			return op;
		}
		return vireo_copy(val, data, len) ? op : NULL;
	}
}

/**
 * vireo_rules_store() - a guest's write, if it is a plain store
 * @q: what is known of its offset
 * @shadow: the region's shadow pages
 * @len: bytes; any number
 * @val: the data
 *
 * What vireo_rules_write() does where the first candidate is a store.
 *
 * Return: whether it was done, by VIREO_RULE_* @q->type; if not, vireo_rules_write()
 * decides.
 */
static __always_inline bool vireo_rules_store(const struct vireo_quick *q,
					      u8 *shadow, u32 len,
					      const void *val)
{
	return (q->widths & len) && vireo_copy(shadow + q->shadow, val, len);
}

/**
 * vireo_rules_write() - a guest's write
 * @op: vireo_first_op()
 * @shadow: the region's shadow pages
 * @off: from the start of the region
 * @len: bytes; any number
 * @val: the data
 *
 * Return: the op that decides, or NULL: to user space.  If it is slow, it is
 * to be carried out, POST by vireo_rules_post(), any other by
 * vireo_rules_write_slow().
 */
static __always_inline const struct vireo_op *
vireo_rules_write(const struct vireo_op *op, u8 *shadow, u32 off, u32 len,
		  const void *val)
{
	if (unlikely(len - 1 > 7))
		return NULL;
	/* The last op covers what is left and ends the search. */
	for (;; op++) {
		u32 dist = off - op->offset;

		if (!vireo_op_covers(op, dist, len))
			continue;
		if (op->action == VIREO_ACT_STORE)
			return vireo_copy(shadow + op->shadow + dist, val,
					  len) ?
				       op :
				       NULL;
		if (op->action == VIREO_ACT_PASS || !vireo_width_ok(len))
			return NULL;
		if (op->action == VIREO_ACT_EVENT &&
		    (vireo_load(val, len) & op->mask) != op->value)
			continue;
		if (op->action == VIREO_ACT_CLEAR && dist & (len - 1))
			continue;
		return op;
	}
}

/**
 * vireo_quick_action() - is it known at once what decides?
 * @q: what is known of the offset
 * @len: bytes; any number
 *
 * For a width that is no power of two it may tell anything: who carries the
 * action out has to find that it is none that vireo_copy() knows.
 *
 * Return: what vireo_quick_op() does, if it covers the access, or
 * VIREO_ACT_PASS.
 */
static __always_inline enum vireo_action
vireo_quick_action(const struct vireo_quick *q, u32 len)
{
	return q->covers & len ? q->action : VIREO_ACT_PASS;
}

/**
 * vireo_quick_indexed() - carry out an INDEXED
 * @q: what is known of the offset: INDEXED, without READ_ONES
 * @shadow: the region's shadow pages
 *
 * As vireo_indexed_data(), which says what bounds it.
 *
 * Return: where the data are, or NULL if it does not decide.
 */
static __always_inline const void *
vireo_quick_indexed(const struct vireo_quick *q, const u8 *shadow)
{
	const struct vireo_op *op = vireo_quick_op(q);
	u32 idx = READ_ONCE(*(const u32 *)(shadow + op->index));

	/* In branches, which are fewer instructions than a comparison of two. */
	if ((idx & (u32)op->mask) == (u32)op->value) {
		if (op->flags & VIREO_RULE_NOT_EQUAL)
			return NULL;
	} else if (!(op->flags & VIREO_RULE_NOT_EQUAL)) {
		return NULL;
	}
	return shadow + q->shadow + (idx & op->index_mask);
}

/*
 * The high half of the product.  By 128-bit integers gcc aligns the stack for
 * them, which costs more than the product.
 */
static __always_inline u64 vireo_mul_high(u64 a, u64 b)
{
	u64 high;

	asm("mulq %[b]" : "+a"(a), "=d"(high) : [b] "rm"(b) : "cc");
	return high;
}

/**
 * vireo_clock_read() - carry out a CLOCK
 * @op: from vireo_rules_read()
 * @shadow: the region's shadow pages
 * @skip: bits of the counter that are below the access, from @op's first byte
 * @ns: ktime_get_ns(), which never goes back, whichever CPU asks
 *
 * Return: the bytes of the counter that the access is for.
 */
static __always_inline u64 vireo_clock_read(const struct vireo_op *op,
					    const u8 *shadow, u32 skip, u64 ns)
{
	u64 add = READ_ONCE(*(const u64 *)(shadow + op->shadow));
	u64 count = vireo_mul_high(ns + add, op->value) & op->mask;

	return count >> skip;
}

static __always_inline bool vireo_op_is_slow(const struct vireo_op *op)
{
	return op->action >= VIREO_ACT_EVENT;
}

/* What became of an access that was carried out. */
enum vireo_done {
	VIREO_DONE_NOT,	   /* to user space */
	VIREO_DONE,	   /* served */
	VIREO_DONE_SIGNAL, /* served; the op's eventfd is to be signalled */
};

bool vireo_store_bits(const struct vireo_op *op, u8 *shadow, u32 off, u32 len,
		      u64 val);

/**
 * struct vireo_post_ring - the module's side of a POST ring
 * @shared: the page that the owner sees; nothing read from it is trusted
 * @mask: entries - 1
 * @tail: next entry to fill; the copy in @shared is only for the owner
 * @used: entries in the ring after the last push, if the owner is honest
 *
 * The caller serializes vireo_ring_push().
 */
struct vireo_post_ring {
	struct vireo_ring *shared;
	u32 mask;
	u32 tail;
	u32 used;
};

/* What became of a post. */
enum vireo_push {
	VIREO_PUSH_FULL,   /* not appended */
	VIREO_PUSH_DONE,   /* appended; the owner knows of earlier ones */
	VIREO_PUSH_SIGNAL, /* appended to an empty ring: wake the owner */
};

void vireo_ring_init(struct vireo_post_ring *ring, struct vireo_ring *shared,
		     u32 entries);

/**
 * vireo_ring_full() - is there no room for a post?
 * @ring: the ring; the caller serializes
 *
 * Return: whether there is none, or the owner says so.
 */
static __always_inline bool vireo_ring_full(const struct vireo_post_ring *ring)
{
	/* Acquire: the owner is done with the entries below head. */
	return ring->tail - smp_load_acquire(&ring->shared->head) > ring->mask;
}

/**
 * vireo_ring_push() - append a posted write
 * @ring: the ring, not full; the caller serializes
 * @offset: from the start of the region
 * @width: 1, 2, 4 or 8
 * @vcpu: id of the vCPU
 * @value: the data, zero-extended
 *
 * Return: whether the ring was empty: the owner must be signalled.
 */
static __always_inline bool vireo_ring_push(struct vireo_post_ring *ring,
					    u32 offset, u32 width, u16 vcpu,
					    u64 value)
{
	struct vireo_ring *shared = ring->shared;
	u32 tail = ring->tail, head;
	struct vireo_post *post = &shared->post[tail & ring->mask];

	post->value = value;
	post->offset = offset;
	post->vcpu = vcpu;
	post->width = width;
	post->reserved = 0;

	ring->tail = tail + 1;
	/* Release: the entry is there before the tail that covers it. */
	smp_store_release(&shared->tail, tail + 1);

	/*
	 * Pairs with the owner's full barrier between storing head and its
	 * last look at tail: either the owner sees this entry, or this load
	 * sees that the owner had taken all before it.
	 */
	smp_mb();
	head = READ_ONCE(shared->head);
	ring->used = tail + 1 - head;
	return head == tail;
}

/**
 * vireo_rules_post() - carry out a POST
 * @op: from vireo_rules_write()
 * @shadow: the region's shadow pages
 * @ring: the region's ring; the caller serializes
 * @off: from the start of the region
 * @len: bytes, as vireo_rules_write() was called
 * @vcpu: id of the vCPU
 * @val: the data, zero-extended
 *
 * What is stored, too, is there before the owner sees the post, so that the
 * owner's answer in the shadow pages is not overwritten.
 *
 * Return: what became of it; if it was not appended, nothing was stored but
 * what doing the access again stores.
 */
static __always_inline enum vireo_push
vireo_rules_post(const struct vireo_op *op, u8 *shadow,
		 struct vireo_post_ring *ring, u32 off, u32 len, u16 vcpu,
		 u64 val)
{
	if (vireo_ring_full(ring))
		return VIREO_PUSH_FULL;
	if (op->flags & VIREO_RULE_WRITE_THROUGH &&
	    !vireo_store_bits(op, shadow, off, len, val))
		return VIREO_PUSH_FULL;
	return vireo_ring_push(ring, off, len, vcpu, val) ? VIREO_PUSH_SIGNAL :
							    VIREO_PUSH_DONE;
}

#endif /* _VIREO_RULES_H */
