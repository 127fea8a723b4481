// SPDX-License-Identifier: GPL-2.0
/*
 * Serving a guest's access to a region.
 *
 * All of this is in the thread that runs the vCPU.  Each part is a function by
 * itself so that what is common saves no registers for what is rare.
 */
#include <linux/minmax.h>

#include "compat.h"
#include "rules_slow.h"
#include "trace.h"
#include "vireo.h"

/*
 * Counts what became of an access.  Return: 0, or what tells KVM that it goes
 * to user space.
 */
static __always_inline int count(struct vireo_region *region, u32 vcpu,
				 enum vireo_dir dir, enum vireo_outcome out,
				 u32 begin)
{
	if (likely(vireo_served(out))) {
		vireo_count_served(&region->stats, vcpu, dir, out, begin);
		return 0;
	}
	vireo_count_passed(&region->stats, vcpu, dir, out);
	return -EOPNOTSUPP;
}

/* Why no op decides an access. */
static __always_inline enum vireo_outcome
undecided(const struct vireo_region *region, u32 len)
{
	if (!READ_ONCE(region->enabled))
		return VIREO_OUT_OFF;
	if (len - 1 > 7 || !vireo_width_ok(len))
		return VIREO_OUT_WIDTH;
	return VIREO_OUT_NO_RULE;
}

/* What became of an access that an op decided. */
static __always_inline enum vireo_outcome outcome(const struct vireo_op *op,
						  enum vireo_done done)
{
	if (done == VIREO_DONE_NOT)
		return VIREO_OUT_NO_RULE;
	if (done == VIREO_DONE_SIGNAL)
		vireo_eventfd_signal(op->ctx);
	return op->type;
}

static noinline enum vireo_outcome read_slow(const struct vireo_region *region,
					     const struct vireo_op *op, u32 off,
					     u32 len, void *val)
{
	return outcome(op, vireo_rules_read_slow(op, region->shadow,
						 off - op->offset, len, val));
}

static noinline enum vireo_outcome read_any(const struct vireo_region *region,
					    u32 off, u32 len, void *val)
{
	const struct vireo_op *op = NULL;

	/* Acquire: pairs with vireo_region_enable(). */
	if (likely(smp_load_acquire(&region->enabled)))
		op = vireo_rules_read(vireo_first_op(region->rules, VIREO_READ,
						     off),
				      region->shadow, off, len, val);
	if (!op)
		return undecided(region, len);
	if (vireo_op_is_slow(op))
		return read_slow(region, op, off, len, val);
	return op->type;
}

static __always_inline enum vireo_outcome
ring_post(struct vireo_region *region, u32 vcpu, const struct vireo_op *op,
	  u32 off, u32 len, const void *val)
{
	enum vireo_push pushed;

	spin_lock(&region->ring_lock);
	pushed = vireo_rules_post(op, region->shadow, &region->ring, off, len,
				  vcpu, vireo_load(val, len));
	vireo_count_ring(&region->stats,
			 min(region->ring.used, region->ring.mask + 1));
	spin_unlock(&region->ring_lock);

	if (unlikely(pushed == VIREO_PUSH_FULL)) {
		trace_vireo_ring_full(&region->stats, vcpu);
		return VIREO_OUT_RING_FULL;
	}
	if (pushed == VIREO_PUSH_SIGNAL && region->ring_ctx) {
		vireo_count_signal(&region->stats, vcpu);
		vireo_eventfd_signal(region->ring_ctx);
	}
	return VIREO_OUT_POST;
}

static noinline enum vireo_outcome write_slow(const struct vireo_region *region,
					      const struct vireo_op *op,
					      u32 off, u32 len, const void *val)
{
	return outcome(op, vireo_rules_write_slow(op, region->shadow,
						  off - op->offset, len,
						  vireo_load(val, len)));
}

static noinline enum vireo_outcome write_any(struct vireo_region *region,
					     u32 vcpu, u32 off, u32 len,
					     const void *val)
{
	const struct vireo_op *op = NULL;

	/* Acquire: pairs with vireo_region_enable(). */
	if (likely(smp_load_acquire(&region->enabled)))
		op = vireo_rules_write(vireo_first_op(region->rules,
						      VIREO_WRITE, off),
				       region->shadow, off, len, val);
	if (!op)
		return undecided(region, len);
	if (op->action == VIREO_ACT_POST)
		return ring_post(region, vcpu, op, off, len, val);
	if (vireo_op_is_slow(op))
		return write_slow(region, op, off, len, val);
	return op->type;
}

/*
 * What the common functions go on to, as their last step: the search for an op
 * that decides; or that for which the first candidate is known to do so.  The
 * arguments of the latter are where the common functions have them already.
 */
static noinline int read_untraced(struct vireo_region *region, u32 vcpu,
				  u32 off, u32 len, void *val, u32 begin)
{
	return count(region, vcpu, VIREO_READ, read_any(region, off, len, val),
		     begin);
}

static noinline int write_untraced(struct vireo_region *region, u32 vcpu,
				   u32 off, u32 len, const void *val, u32 begin)
{
	return count(region, vcpu, VIREO_WRITE,
		     write_any(region, vcpu, off, len, val), begin);
}

static noinline int read_again(struct vireo_region *region, u32 vcpu,
			       const struct vireo_quick *q, u32 len, void *val,
			       u32 begin)
{
	return read_untraced(region, vcpu, q - region->rules->quick[VIREO_READ],
			     len, val, begin);
}

static noinline int write_again(struct vireo_region *region, u32 vcpu,
				const struct vireo_quick *q, u32 len,
				const void *val, u32 begin)
{
	return write_untraced(region, vcpu,
			      q - region->rules->quick[VIREO_WRITE], len, val,
			      begin);
}

static noinline int read_const(struct vireo_region *region, u32 vcpu,
			       const struct vireo_quick *q, u32 len, void *val,
			       u32 begin)
{
	if (unlikely(!vireo_copy(val, &vireo_quick_op(q)->value, len)))
		return read_again(region, vcpu, q, len, val, begin);
	vireo_count_served(&region->stats, vcpu, VIREO_READ, VIREO_OUT_CONST,
			   begin);
	return 0;
}

static noinline int read_clock(struct vireo_region *region, u32 vcpu,
			       const struct vireo_quick *q, u32 len, void *val,
			       u32 begin)
{
	u64 v, ns = ktime_get_ns();
	const struct vireo_op *op = vireo_quick_op(q);

	v = vireo_clock_read(op, region->shadow, q->shadow, ns);
	if (unlikely(!vireo_copy(val, &v, len)))
		return read_again(region, vcpu, q, len, val, begin);
	vireo_count_served(&region->stats, vcpu, VIREO_READ, VIREO_OUT_CLOCK,
			   begin);
	return 0;
}

static noinline int read_indexed(struct vireo_region *region, u32 vcpu,
				 const struct vireo_quick *q, u32 len,
				 void *val, u32 begin)
{
	const void *data = vireo_quick_indexed(q, region->shadow);

	if (unlikely(!data || !vireo_copy(val, data, len)))
		return read_again(region, vcpu, q, len, val, begin);
	vireo_count_served(&region->stats, vcpu, VIREO_READ, VIREO_OUT_INDEXED,
			   begin);
	return 0;
}

static noinline int read_clear(struct vireo_region *region, u32 vcpu,
			       const struct vireo_quick *q, u32 len, void *val,
			       u32 begin)
{
	const struct vireo_op *op = vireo_quick_op(q);
	enum vireo_done done = VIREO_DONE_NOT;

	if (likely(vireo_width_ok(len)))
		done = vireo_rules_read_clear(op, region->shadow + q->shadow,
					      len, val);
	if (unlikely(done == VIREO_DONE_NOT))
		return read_again(region, vcpu, q, len, val, begin);
	if (done == VIREO_DONE_SIGNAL)
		vireo_eventfd_signal(op->ctx);
	vireo_count_served(&region->stats, vcpu, VIREO_READ, VIREO_OUT_CLEAR,
			   begin);
	return 0;
}

static noinline int write_drop(struct vireo_region *region, u32 vcpu,
			       const struct vireo_quick *q, u32 len,
			       const void *val, u32 begin)
{
	if (unlikely(!vireo_width_ok(len)))
		return write_again(region, vcpu, q, len, val, begin);
	vireo_count_served(&region->stats, vcpu, VIREO_WRITE, q->type, begin);
	return 0;
}

static noinline int write_bits(struct vireo_region *region, u32 vcpu,
			       const struct vireo_quick *q, u32 len,
			       const void *val, u32 begin)
{
	const struct vireo_op *op = vireo_quick_op(q);

	if (unlikely(!vireo_width_ok(len) ||
		     !vireo_rules_store_bits(op, region->shadow,
					     q->shadow - op->shadow, len,
					     vireo_load(val, len))))
		return write_again(region, vcpu, q, len, val, begin);
	vireo_count_served(&region->stats, vcpu, VIREO_WRITE, VIREO_OUT_SHADOW,
			   begin);
	return 0;
}

static noinline int write_event(struct vireo_region *region, u32 vcpu,
				const struct vireo_quick *q, u32 len,
				const void *val, u32 begin)
{
	const struct vireo_op *op = vireo_quick_op(q);

	if (!vireo_width_ok(len) ||
	    (vireo_load(val, len) & op->mask) != op->value)
		return write_again(region, vcpu, q, len, val, begin);
	vireo_eventfd_signal(op->ctx);
	vireo_count_served(&region->stats, vcpu, VIREO_WRITE, VIREO_OUT_EVENT,
			   begin);
	return 0;
}

static noinline int write_post(struct vireo_region *region, u32 vcpu,
			       const struct vireo_quick *q, u32 len,
			       const void *val, u32 begin)
{
	u32 off = q - region->rules->quick[VIREO_WRITE];

	if (unlikely(!vireo_width_ok(len)))
		return write_again(region, vcpu, q, len, val, begin);
	return count(region, vcpu, VIREO_WRITE,
		     ring_post(region, vcpu, vireo_quick_op(q), off, len, val),
		     begin);
}

/* While somebody traces: others pay one no-op for it. */
static noinline int read_traced(struct vireo_region *region, u32 vcpu, u64 addr,
				u32 len, void *val)
{
	const u32 begin = vireo_count_begin();
	enum vireo_outcome out;
	int ret;

	out = read_any(region, addr - region->addr, len, val);
	ret = count(region, vcpu, VIREO_READ, out, begin);
	vireo_trace_read(&region->stats, vcpu, addr, len, ret ? NULL : val,
			 out);
	return ret;
}

static noinline int write_traced(struct vireo_region *region, u32 vcpu,
				 u64 addr, u32 len, const void *val)
{
	const u32 begin = vireo_count_begin();
	enum vireo_outcome out;
	int ret;

	out = write_any(region, vcpu, addr - region->addr, len, val);
	ret = count(region, vcpu, VIREO_WRITE, out, begin);
	vireo_trace_write(&region->stats, vcpu, addr, len, val, out);
	return ret;
}

/**
 * vireo_region_read() - a guest's read of a region
 * @region: the region; the caller keeps it from going away
 * @vcpu: id of the vCPU
 * @addr: address
 * @len: bytes; any number
 * @val: where to put the data
 *
 * Return: 0 if it was served, else -EOPNOTSUPP; then @val is untouched.
 */
int vireo_region_read(struct vireo_region *region, u32 vcpu, u64 addr, u32 len,
		      void *val)
{
	u32 off = addr - region->addr;
	const struct vireo_quick *q;
	u32 begin;

	if (tracepoint_enabled(vireo_read))
		return read_traced(region, vcpu, addr, len, val);

	begin = vireo_count_begin();
	if (unlikely(off >= VIREO_RULES_INDEXED))
		goto any;
	/* Acquire: pairs with vireo_region_enable(). */
	q = &smp_load_acquire(&region->quick[VIREO_READ])[off];
	if (likely(vireo_rules_load(q, region->shadow, len, val))) {
		vireo_count_served(&region->stats, vcpu, VIREO_READ, q->type,
				   begin);
		return 0;
	}
	switch (vireo_quick_action(q, len)) {
	case VIREO_ACT_CLOCK:
		return read_clock(region, vcpu, q, len, val, begin);
	case VIREO_ACT_INDEXED:
		return read_indexed(region, vcpu, q, len, val, begin);
	case VIREO_ACT_CONST:
		return read_const(region, vcpu, q, len, val, begin);
	case VIREO_ACT_CLEAR:
		return read_clear(region, vcpu, q, len, val, begin);
	default:
		break;
	}
any:
	return read_untraced(region, vcpu, off, len, val, begin);
}

/**
 * vireo_region_write() - a guest's write to a region
 * @region: the region; the caller keeps it from going away
 * @vcpu: id of the vCPU
 * @addr: address
 * @len: bytes; any number
 * @val: the data; if @len is 1, 2, 4 or 8, that many
 *
 * Return: 0 if it was served, else -EOPNOTSUPP.
 */
int vireo_region_write(struct vireo_region *region, u32 vcpu, u64 addr, u32 len,
		       const void *val)
{
	u32 off = addr - region->addr;
	const struct vireo_quick *q;
	u32 begin;

	if (tracepoint_enabled(vireo_write))
		return write_traced(region, vcpu, addr, len, val);

	begin = vireo_count_begin();
	if (unlikely(off >= VIREO_RULES_INDEXED))
		goto any;
	/* Acquire: pairs with vireo_region_enable(). */
	q = &smp_load_acquire(&region->quick[VIREO_WRITE])[off];
	if (likely(vireo_rules_store(q, region->shadow, len, val))) {
		vireo_count_served(&region->stats, vcpu, VIREO_WRITE, q->type,
				   begin);
		return 0;
	}
	switch (vireo_quick_action(q, len)) {
	case VIREO_ACT_POST:
		return write_post(region, vcpu, q, len, val, begin);
	case VIREO_ACT_EVENT:
		return write_event(region, vcpu, q, len, val, begin);
	case VIREO_ACT_STORE_BITS:
		return write_bits(region, vcpu, q, len, val, begin);
	case VIREO_ACT_DROP:
		return write_drop(region, vcpu, q, len, val, begin);
	default:
		break;
	}
any:
	return write_untraced(region, vcpu, off, len, val, begin);
}

/**
 * vireo_region_enable() - let a region serve, or not
 * @region: the region
 * @on: whether
 *
 * Under vireo_vm.lock, or before it is published.
 */
void vireo_region_enable(struct vireo_region *region, bool on)
{
	enum vireo_dir dir;

	/*
	 * Release: whoever sees it enabled sees the shadow pages as the caller
	 * filled them.
	 */
	smp_store_release(&region->enabled, on);
	for (dir = VIREO_READ; dir < VIREO_NR_DIRS; dir++) {
		/* Release: likewise. */
		smp_store_release(&region->quick[dir],
				  on ? region->rules->quick[dir] :
				       vireo_quick_none);
	}
}
