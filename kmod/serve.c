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

/* Whose access it is and when it began; one register. */
struct by {
	u32 vcpu;
	u32 begin;
};

/* Counts an access that goes to user space. */
static __always_inline enum vireo_outcome
pass(struct vireo_region *region, u32 vcpu, enum vireo_dir dir, u32 len)
{
	enum vireo_outcome why = VIREO_OUT_NO_RULE;

	if (!READ_ONCE(region->enabled))
		why = VIREO_OUT_OFF;
	else if (len - 1 > 7 || !vireo_width_ok(len))
		why = VIREO_OUT_WIDTH;
	vireo_count_passed(&region->stats, vcpu, dir, why);
	return why;
}

static __always_inline enum vireo_outcome
serve(struct vireo_region *region, struct by by, enum vireo_dir dir, u32 type)
{
	vireo_count_served(&region->stats, by.vcpu, dir, type, by.begin);
	return type;
}

/* The arguments are where vireo_region_read() has them already. */
static noinline int read_clock(struct vireo_region *region, u32 vcpu,
			       const struct vireo_quick *q, u32 len, void *val,
			       u32 begin)
{
	u64 v, ns = ktime_get_ns();
	const struct vireo_op *op = vireo_quick_op(q);

	v = vireo_clock_read(op, region->shadow, q->shadow, ns);
	vireo_copy(val, &v, len);
	vireo_count_served(&region->stats, vcpu, VIREO_READ, VIREO_OUT_CLOCK,
			   begin);
	return 0;
}

/* What an op signals, after which it counts as served. */
static noinline enum vireo_outcome signal(struct vireo_region *region,
					  const struct vireo_op *op,
					  struct by by, enum vireo_dir dir)
{
	vireo_eventfd_signal(op->ctx);
	return serve(region, by, dir, op->type);
}

static noinline enum vireo_outcome read_slow(struct vireo_region *region,
					     const struct vireo_op *op,
					     struct by by, u32 off, u32 len,
					     void *val)
{
	enum vireo_done done;

	done = vireo_rules_read_slow(op, region->shadow, off, len, val);
	if (done == VIREO_DONE_NOT) {
		vireo_count_passed(&region->stats, by.vcpu, VIREO_READ,
				   VIREO_OUT_NO_RULE);
		return VIREO_OUT_NO_RULE;
	}
	if (done == VIREO_DONE_SIGNAL)
		return signal(region, op, by, VIREO_READ);
	return serve(region, by, VIREO_READ, op->type);
}

static noinline enum vireo_outcome
read_any(struct vireo_region *region, struct by by, u32 off, u32 len, void *val)
{
	const struct vireo_op *op = NULL;

	/* Acquire: pairs with vireo_region_enable(). */
	if (likely(smp_load_acquire(&region->enabled)))
		op = vireo_rules_read(vireo_first_op(region->rules, VIREO_READ,
						     off),
				      region->shadow, off, len, val);
	if (!op)
		return pass(region, by.vcpu, VIREO_READ, len);
	if (vireo_op_is_slow(op))
		return read_slow(region, op, by, off, len, val);
	return serve(region, by, VIREO_READ, op->type);
}

static __always_inline enum vireo_outcome
write_post(struct vireo_region *region, const struct vireo_op *op, struct by by,
	   u32 off, u32 len, const void *val)
{
	enum vireo_push pushed;

	spin_lock(&region->ring_lock);
	pushed = vireo_rules_post(op, region->shadow, &region->ring, off, len,
				  by.vcpu, vireo_load(val, len));
	vireo_count_ring(&region->stats,
			 min(region->ring.used, region->ring.mask + 1));
	spin_unlock(&region->ring_lock);

	if (pushed == VIREO_PUSH_FULL) {
		vireo_count_passed(&region->stats, by.vcpu, VIREO_WRITE,
				   VIREO_OUT_RING_FULL);
		trace_vireo_ring_full(&region->stats, by.vcpu);
		return VIREO_OUT_RING_FULL;
	}
	if (pushed == VIREO_PUSH_SIGNAL && region->ring_ctx) {
		vireo_count_signal(&region->stats, by.vcpu);
		vireo_eventfd_signal(region->ring_ctx);
	}
	return serve(region, by, VIREO_WRITE, VIREO_OUT_POST);
}

static noinline enum vireo_outcome write_slow(struct vireo_region *region,
					      const struct vireo_op *op,
					      struct by by, u32 off, u32 len,
					      const void *val)
{
	enum vireo_done done;

	done = vireo_rules_write_slow(op, region->shadow, off, len,
				      vireo_load(val, len));
	if (done == VIREO_DONE_NOT) {
		vireo_count_passed(&region->stats, by.vcpu, VIREO_WRITE,
				   VIREO_OUT_NO_RULE);
		return VIREO_OUT_NO_RULE;
	}
	if (done == VIREO_DONE_SIGNAL)
		return signal(region, op, by, VIREO_WRITE);
	return serve(region, by, VIREO_WRITE, op->type);
}

static __always_inline enum vireo_outcome write_any(struct vireo_region *region,
						    struct by by, u32 off,
						    u32 len, const void *val)
{
	const struct vireo_op *op = NULL;

	/* Acquire: pairs with vireo_region_enable(). */
	if (likely(smp_load_acquire(&region->enabled)))
		op = vireo_rules_write(vireo_first_op(region->rules,
						      VIREO_WRITE, off),
				       region->shadow, off, len, val);
	if (!op)
		return pass(region, by.vcpu, VIREO_WRITE, len);
	if (op->action == VIREO_ACT_POST)
		return write_post(region, op, by, off, len, val);
	if (op->action == VIREO_ACT_EVENT)
		return signal(region, op, by, VIREO_WRITE);
	if (vireo_op_is_slow(op))
		return write_slow(region, op, by, off, len, val);
	return serve(region, by, VIREO_WRITE, op->type);
}

/* 0, or what tells KVM that it goes to user space. */
static __always_inline int result(enum vireo_outcome out)
{
	return vireo_served(out) ? 0 : -EOPNOTSUPP;
}

/* What the common functions go on to, as their last step. */
static noinline int read_untraced(struct vireo_region *region, struct by by,
				  u32 off, u32 len, void *val)
{
	return result(read_any(region, by, off, len, val));
}

static noinline int write_untraced(struct vireo_region *region, struct by by,
				   u32 off, u32 len, const void *val)
{
	return result(write_any(region, by, off, len, val));
}

static noinline int post_untraced(struct vireo_region *region,
				  const struct vireo_quick *q, struct by by,
				  u32 off, u32 len, const void *val)
{
	return result(write_post(region, vireo_quick_op(q), by, off, len, val));
}

/* Most often the first candidate decides. */
static noinline int read_indexed(struct vireo_region *region, u32 vcpu,
				 const struct vireo_quick *q, u32 len,
				 void *val, u32 begin)
{
	const void *data = vireo_quick_indexed(q, region->shadow);

	if (unlikely(!data || !vireo_copy(val, data, len)))
		return read_untraced(region, (struct by){ vcpu, begin },
				     q - region->rules->quick[VIREO_READ], len,
				     val);
	vireo_count_served(&region->stats, vcpu, VIREO_READ, VIREO_OUT_INDEXED,
			   begin);
	return 0;
}

/* While somebody traces: others pay one no-op for it. */
static noinline int read_traced(struct vireo_region *region, u32 vcpu, u64 addr,
				u32 len, void *val)
{
	const struct by by = { vcpu, vireo_count_begin() };
	enum vireo_outcome out;

	out = read_any(region, by, addr - region->addr, len, val);
	vireo_trace_read(&region->stats, vcpu, addr, len,
			 vireo_served(out) ? val : NULL, out);
	return result(out);
}

static noinline int write_traced(struct vireo_region *region, u32 vcpu,
				 u64 addr, u32 len, const void *val)
{
	const struct by by = { vcpu, vireo_count_begin() };
	enum vireo_outcome out;

	out = write_any(region, by, addr - region->addr, len, val);
	vireo_trace_write(&region->stats, vcpu, addr, len, val, out);
	return result(out);
}

/**
 * vireo_region_read() - a guest's read of a region
 * @region: the region; the caller keeps it from going away
 * @vcpu: id of the vCPU
 * @addr: address
 * @len: bytes, 1 to 8
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
	q = &smp_load_acquire(&region->quick)[VIREO_READ][off];
	if (likely(vireo_rules_load(q, region->shadow, len, val))) {
		vireo_count_served(&region->stats, vcpu, VIREO_READ, q->type,
				   begin);
		return 0;
	}
	if (vireo_quick_is(q, len, VIREO_ACT_CLOCK))
		return read_clock(region, vcpu, q, len, val, begin);
	if (vireo_quick_is(q, len, VIREO_ACT_INDEXED))
		return read_indexed(region, vcpu, q, len, val, begin);
any:
	return read_untraced(region, (struct by){ vcpu, begin }, off, len, val);
}

/**
 * vireo_region_write() - a guest's write to a region
 * @region: the region; the caller keeps it from going away
 * @vcpu: id of the vCPU
 * @addr: address
 * @len: bytes, 1 to 8
 * @val: the data
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
	q = &smp_load_acquire(&region->quick)[VIREO_WRITE][off];
	if (likely(vireo_rules_store(q, region->shadow, len, val))) {
		vireo_count_served(&region->stats, vcpu, VIREO_WRITE, q->type,
				   begin);
		return 0;
	}
	if (vireo_quick_is(q, len, VIREO_ACT_POST))
		return post_untraced(region, q, (struct by){ vcpu, begin }, off,
				     len, val);
any:
	return write_untraced(region, (struct by){ vcpu, begin }, off, len,
			      val);
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
	const struct vireo_quick(*quick)[VIREO_RULES_INDEXED] =
		vireo_quick_none;

	if (on)
		quick = region->rules->quick;
	/*
	 * Release: whoever sees it enabled sees the shadow pages as the caller
	 * filled them.
	 */
	smp_store_release(&region->enabled, on);
	/* Release: likewise. */
	smp_store_release(&region->quick, quick);
}
