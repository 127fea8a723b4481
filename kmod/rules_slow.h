/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Carrying out what the rule interpreter found and what is more than a copy:
 * atomic changes of the shadow pages, and clocks.  In a header so that whoever
 * serves an access with it need not save what counting wants across a call.
 */
#ifndef _VIREO_RULES_SLOW_H
#define _VIREO_RULES_SLOW_H

#include "rules.h"

/*
 * The owner may store to the bytes in a loop; whoever has lost this often
 * leaves the access to user space.
 */
#define VIREO_UPDATE_TRIES 128

/* In one atomic step: (old & keep) | set.  False if others interfered. */
#define VIREO_UPDATE(type, p, keep, set, was)                                 \
	({                                                                    \
		type old_ = READ_ONCE(*(type *)(p));                          \
		bool done_ = false;                                           \
		int try_;                                                     \
		for (try_ = 0; !done_ && try_ < VIREO_UPDATE_TRIES; try_++)   \
			done_ = try_cmpxchg((type *)(p), &old_,               \
					    (type)((old_ & (keep)) | (set))); \
		*(was) = old_;                                                \
		done_;                                                        \
	})

/* @p is a multiple of @len, which is 1, 2, 4 or 8. */
static __always_inline bool vireo_update(u8 *p, u32 len, u64 keep, u64 set,
					 u64 *was)
{
	switch (len) {
	case 1:
		return VIREO_UPDATE(u8, p, keep, set, was);
	case 2:
		return VIREO_UPDATE(u16, p, keep, set, was);
	case 4:
		return VIREO_UPDATE(u32, p, keep, set, was);
	default:
		return VIREO_UPDATE(u64, p, keep, set, was);
	}
}

/**
 * vireo_rules_store_bits() - store what the mask of a WRITE_THROUGH lets through
 * @op: the op
 * @shadow: the region's shadow pages
 * @dist: from the start of the op
 * @len: bytes, as vireo_rules_write() was called
 * @val: the data, zero-extended
 *
 * Return: whether it was done.  If not, some may have been stored, and doing
 * it again is right.
 */
static __always_inline bool vireo_rules_store_bits(const struct vireo_op *op,
						   u8 *shadow, u32 dist,
						   u32 len, u64 val)
{
	u8 *p = shadow + op->shadow + dist;
	u64 mask, old;

	if (!~op->mask)
		return vireo_copy(p, &val, len);

	mask = op->mask >> (dist * 8);
	if (!((unsigned long)p & (len - 1)))
		return vireo_update(p, len, ~mask, val & mask, &old);
	for (; len; len--, p++, mask >>= 8, val >>= 8)
		if (!vireo_update(p, 1, ~mask, val & mask, &old))
			return false;
	return true;
}

/**
 * vireo_rules_read_clear() - carry out a read of a CLEAR
 * @op: the op
 * @p: the bytes
 * @len: how many, 1, 2, 4 or 8, of which @p is a multiple
 * @val: where to put the data
 *
 * Return: what became of it.
 */
static __always_inline enum vireo_done
vireo_rules_read_clear(const struct vireo_op *op, u8 *p, u32 len, void *val)
{
	u64 v;

	if (!(op->flags & VIREO_RULE_READ_CLEAR)) {
		vireo_copy(val, p, len);
		return VIREO_DONE;
	}
	if (!vireo_update(p, len, 0, 0, &v))
		return VIREO_DONE_NOT;
	vireo_copy(val, &v, len);
	return op->ctx && v ? VIREO_DONE_SIGNAL : VIREO_DONE;
}

/**
 * vireo_rules_read_slow() - carry out what vireo_rules_read() found
 * @op: what it found
 * @shadow: the region's shadow pages
 * @dist: from the start of the op
 * @len: bytes, as vireo_rules_read() was called
 * @val: where to put the data
 *
 * Return: what became of it.
 */
static __always_inline enum vireo_done
vireo_rules_read_slow(const struct vireo_op *op, u8 *shadow, u32 dist, u32 len,
		      void *val)
{
	u64 v;

	if (op->action == VIREO_ACT_CLEAR)
		return vireo_rules_read_clear(op, shadow + op->shadow + dist,
					      len, val);
	v = vireo_clock_read(op, shadow, dist * 8, ktime_get_ns());
	vireo_copy(val, &v, len);
	return VIREO_DONE;
}

/**
 * vireo_rules_write_slow() - carry out what vireo_rules_write() found
 * @op: what it found, not a POST
 * @shadow: the region's shadow pages
 * @dist: from the start of the op
 * @len: bytes, as vireo_rules_write() was called
 * @val: the data, zero-extended
 *
 * Return: what became of it.
 */
static __always_inline enum vireo_done
vireo_rules_write_slow(const struct vireo_op *op, u8 *shadow, u32 dist, u32 len,
		       u64 val)
{
	u64 old;

	if (op->action == VIREO_ACT_EVENT)
		return VIREO_DONE_SIGNAL;
	if (op->action == VIREO_ACT_STORE_BITS)
		return vireo_rules_store_bits(op, shadow, dist, len, val) ?
			       VIREO_DONE :
			       VIREO_DONE_NOT;
	if (!vireo_update(shadow + op->shadow + dist, len, ~val, 0, &old))
		return VIREO_DONE_NOT;
	return op->ctx && old && !(old & ~val) ? VIREO_DONE_SIGNAL : VIREO_DONE;
}

#endif /* _VIREO_RULES_SLOW_H */
