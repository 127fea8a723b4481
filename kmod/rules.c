// SPDX-License-Identifier: GPL-2.0
/*
 * The rule interpreter.
 *
 * vireo_rules_compile() checks a caller's table and splits each rule into at
 * most one op per direction, so that the hot path looks only at ops that have
 * something to say.  An access is decided by the first op, in table order,
 * that covers it; EVENT ops whose data do not match do not decide.
 *
 * The guest chooses offset, length and data of an access; the owner of the VM
 * writes the shadow pages at any time.  Both are hostile: an op is used only
 * after its bounds were compared with the access, and shadow + len of every
 * op lies within the pages.  Atomic accesses are naturally aligned, so none
 * crosses a cache line.
 */
#include "rules_slow.h"

#define VIREO_WIDTH_ALL \
	(VIREO_WIDTH_1 | VIREO_WIDTH_2 | VIREO_WIDTH_4 | VIREO_WIDTH_8)

static_assert(sizeof(struct vireo_rule) == 56, "ABI");
static_assert(VIREO_RULES_OPS(VIREO_MAX_RULES) <= 255,
	      "vireo_rules.end[] is u8");
static_assert(VIREO_MAX_SHADOW_PAGES * VIREO_SHADOW_SIZE - 1 <= U16_MAX,
	      "vireo_op.shadow is u16");
static_assert(sizeof(struct vireo_rules) + 255 * sizeof(struct vireo_op) <=
		      U16_MAX,
	      "vireo_quick.op is u16");

#define NSEC_PER_S 1000000000U

/* The flags that each rule type knows. */
static const u16 rule_flags[] = {
	[VIREO_RULE_SHADOW] = VIREO_RULE_WRITE_THROUGH | VIREO_RULE_WRITE_DROP,
	[VIREO_RULE_CONST] = VIREO_RULE_WRITE_DROP,
	[VIREO_RULE_POST] = VIREO_RULE_READ_SHADOW | VIREO_RULE_WRITE_THROUGH,
	[VIREO_RULE_EVENT] = 0,
	[VIREO_RULE_INDEXED] = VIREO_RULE_READ_ONES | VIREO_RULE_NOT_EQUAL,
	[VIREO_RULE_CLOCK] = VIREO_RULE_WRITE_DROP,
	[VIREO_RULE_CLEAR] = VIREO_RULE_READ_CLEAR | VIREO_RULE_WRITE_ONE_CLEAR,
};

/* The bytes of the shadow pages that a rule reaches from its @shadow on. */
static u64 shadow_reach(const struct vireo_rule *r)
{
	switch (r->type) {
	case VIREO_RULE_SHADOW:
	case VIREO_RULE_CLEAR:
		return r->len;
	case VIREO_RULE_POST:
		return r->flags ? r->len : 0;
	case VIREO_RULE_INDEXED:
		if (r->flags & VIREO_RULE_READ_ONES)
			return 0;
		return (u64)r->index_mask + r->len;
	case VIREO_RULE_CLOCK:
		return sizeof(u64);
	}
	return 0;
}

static bool shadow_ok(const struct vireo_rule *r, u64 shadow_len)
{
	u64 reach = shadow_reach(r);

	if (!reach)
		return !r->shadow;
	if ((r->type == VIREO_RULE_CLOCK || r->type == VIREO_RULE_CLEAR) &&
	    r->shadow & 7)
		return false;
	return r->shadow + reach <= shadow_len;
}

static bool index_ok(const struct vireo_rule *r, u64 shadow_len)
{
	if (r->type != VIREO_RULE_INDEXED)
		return !r->index && !r->index_mask;
	if (r->flags & VIREO_RULE_READ_ONES && r->index_mask)
		return false;
	return !(r->index & 3) && r->index <= shadow_len - 4;
}

static bool value_ok(const struct vireo_rule *r)
{
	switch (r->type) {
	case VIREO_RULE_CONST:
		return true;
	case VIREO_RULE_EVENT:
	case VIREO_RULE_INDEXED:
		return !(r->value & ~r->mask);
	case VIREO_RULE_CLOCK:
		return r->value && r->value < NSEC_PER_S;
	}
	return !r->value;
}

static bool mask_ok(const struct vireo_rule *r)
{
	switch (r->type) {
	case VIREO_RULE_EVENT:
		return true;
	case VIREO_RULE_INDEXED:
		return !(r->mask >> 32);
	case VIREO_RULE_CLOCK:
		return r->mask && r->len <= 8;
	}
	return !r->mask || (r->flags & VIREO_RULE_WRITE_THROUGH && r->len <= 8);
}

/* Whether it is an eventfd is the caller's to find out. */
static bool fd_ok(const struct vireo_rule *r)
{
	return !r->fd || r->type == VIREO_RULE_EVENT ||
	       r->type == VIREO_RULE_CLEAR;
}

static int rule_check(const struct vireo_rule *r, u64 region_len,
		      u64 shadow_len)
{
	const u16 both = VIREO_RULE_WRITE_THROUGH | VIREO_RULE_WRITE_DROP;

	if (r->type < VIREO_RULE_SHADOW || r->type >= ARRAY_SIZE(rule_flags))
		return -EINVAL;
	if (r->flags & ~rule_flags[r->type] || (r->flags & both) == both)
		return -EINVAL;
	if (r->widths & ~VIREO_WIDTH_ALL)
		return -EINVAL;
	if (r->reserved[0] || r->reserved[1] || r->reserved[2])
		return -EINVAL;
	if (!r->len || (u64)r->offset + r->len > region_len)
		return -EINVAL;
	if (!shadow_ok(r, shadow_len) || !index_ok(r, shadow_len) ||
	    !value_ok(r) || !mask_ok(r) || !fd_ok(r))
		return -EINVAL;
	return 0;
}

/* @hz * 2^64 / 10^9, rounded down; @hz is below 10^9. */
static u64 counts_in_2_64_ns(u64 hz)
{
	u64 high = (hz << 32) / NSEC_PER_S;
	u64 rest = (hz << 32) % NSEC_PER_S;

	return high << 32 | (rest << 32) / NSEC_PER_S;
}

static void add_op(struct vireo_rules *t, enum vireo_dir dir,
		   const struct vireo_rule *r, u32 index,
		   enum vireo_action action)
{
	struct vireo_op *op = &t->op[t->end[dir]++];

	op->offset = r->offset;
	op->len = r->len;
	op->shadow = r->shadow;
	op->widths = r->widths ? r->widths : VIREO_WIDTH_ALL;
	op->action = action;
	op->type = r->type;
	op->rule = index;
	op->flags = r->flags;
	op->index = r->index;
	op->index_mask = r->index_mask;
	op->value = r->value;
	op->mask = r->mask;
	op->ctx = NULL;
	if (action == VIREO_ACT_CLOCK)
		op->value = counts_in_2_64_ns(r->value);
	if (action == VIREO_ACT_POST && !r->mask)
		op->mask = ~0ULL;
}

static void add_read(struct vireo_rules *t, const struct vireo_rule *r,
		     u32 index)
{
	static const u8 action[] = {
		[VIREO_RULE_SHADOW] = VIREO_ACT_LOAD,
		[VIREO_RULE_CONST] = VIREO_ACT_CONST,
		[VIREO_RULE_POST] = VIREO_ACT_LOAD,
		[VIREO_RULE_EVENT] = VIREO_ACT_PASS,
		[VIREO_RULE_INDEXED] = VIREO_ACT_INDEXED,
		[VIREO_RULE_CLOCK] = VIREO_ACT_CLOCK,
		[VIREO_RULE_CLEAR] = VIREO_ACT_CLEAR,
	};

	if (r->type == VIREO_RULE_EVENT ||
	    (r->type == VIREO_RULE_POST &&
	     !(r->flags & VIREO_RULE_READ_SHADOW)))
		return;
	add_op(t, VIREO_READ, r, index, action[r->type]);
}

static void add_write(struct vireo_rules *t, const struct vireo_rule *r,
		      u32 index)
{
	if (r->type == VIREO_RULE_POST)
		add_op(t, VIREO_WRITE, r, index, VIREO_ACT_POST);
	else if (r->type == VIREO_RULE_EVENT)
		add_op(t, VIREO_WRITE, r, index, VIREO_ACT_EVENT);
	else if (r->flags & VIREO_RULE_WRITE_THROUGH)
		add_op(t, VIREO_WRITE, r, index,
		       r->mask ? VIREO_ACT_STORE_BITS : VIREO_ACT_STORE);
	else if (r->flags & VIREO_RULE_WRITE_DROP)
		add_op(t, VIREO_WRITE, r, index, VIREO_ACT_DROP);
	else if (r->flags & VIREO_RULE_WRITE_ONE_CLEAR)
		add_op(t, VIREO_WRITE, r, index, VIREO_ACT_CLEAR);
}

/* Whatever was not decided before it passes. */
static void add_end(struct vireo_rules *t, enum vireo_dir dir)
{
	struct vireo_op *op = &t->op[t->end[dir]];

	op->offset = 0;
	op->len = U32_MAX;
	op->widths = U8_MAX;
	op->action = VIREO_ACT_PASS;
}

/* A table without rules does the same, but is not there for all regions. */
const struct vireo_quick vireo_quick_none[VIREO_RULES_INDEXED];

static void build_quick(struct vireo_rules *t, enum vireo_dir dir,
			u64 region_len)
{
	u32 off, i, len;

	for (off = 0; off < VIREO_RULES_INDEXED; off++) {
		struct vireo_quick *q = &t->quick[dir][off];
		const struct vireo_op *op;

		/* No rule covers what is behind the region. */
		i = off < region_len ? t->begin[dir] : t->end[dir];
		for (; i < t->end[dir]; i++)
			if (off - t->op[i].offset < t->op[i].len)
				break;
		op = &t->op[i];
		*q = (struct vireo_quick){ .op = (u8 *)op - (u8 *)q };
		/* Most offsets: the rest is only about what decides. */
		if (i == t->end[dir])
			continue;
		for (len = 1; len <= 8; len *= 2)
			if (vireo_op_covers(op, off - op->offset, len) &&
			    (op->action != VIREO_ACT_CLEAR ||
			     !((off - op->offset) & (len - 1))))
				q->covers |= len;
		if (op->action == VIREO_ACT_LOAD ||
		    op->action == VIREO_ACT_STORE)
			q->widths = q->covers;
		q->action = op->action;
		if (op->action == VIREO_ACT_INDEXED &&
		    op->flags & VIREO_RULE_READ_ONES)
			q->action = VIREO_ACT_PASS;
		q->shadow = op->shadow + (off - op->offset);
		if (op->action == VIREO_ACT_CLOCK)
			q->shadow = (off - op->offset) * 8;
		q->type = op->type;
	}
}

/**
 * vireo_rules_compile() - check a rule table and make it ready to serve
 * @t: the result, with room for VIREO_RULES_OPS(@nr) ops
 * @rules: the table, already copied from user space
 * @nr: rules in the table
 * @region_len: bytes of the region
 * @shadow_len: bytes of its shadow pages
 *
 * The caller fills in vireo_op.ctx of EVENT and CLEAR ops afterwards.
 *
 * Return: 0, or -EINVAL if a rule is malformed.
 */
int vireo_rules_compile(struct vireo_rules *t, const struct vireo_rule *rules,
			u32 nr, u64 region_len, u64 shadow_len)
{
	u32 i;
	int ret;

	if (!nr || nr > VIREO_MAX_RULES)
		return -EINVAL;

	for (i = 0; i < nr; i++) {
		ret = rule_check(&rules[i], region_len, shadow_len);
		if (ret)
			return ret;
	}

	t->begin[VIREO_READ] = 0;
	t->end[VIREO_READ] = 0;
	for (i = 0; i < nr; i++)
		add_read(t, &rules[i], i);
	add_end(t, VIREO_READ);

	t->begin[VIREO_WRITE] = t->end[VIREO_READ] + 1;
	t->end[VIREO_WRITE] = t->begin[VIREO_WRITE];
	for (i = 0; i < nr; i++)
		add_write(t, &rules[i], i);
	add_end(t, VIREO_WRITE);

	build_quick(t, VIREO_READ, region_len);
	build_quick(t, VIREO_WRITE, region_len);
	return 0;
}

/**
 * vireo_store_bits() - store what the mask of a WRITE_THROUGH lets through
 * @op: the op
 * @shadow: the region's shadow pages
 * @off: from the start of the region
 * @len: bytes, as vireo_rules_write() was called
 * @val: the data, zero-extended
 *
 * For a POST; see vireo_rules_store_bits().
 *
 * Return: whether it was done.  If not, some may have been stored, and doing
 * it again is right.
 */
bool vireo_store_bits(const struct vireo_op *op, u8 *shadow, u32 off, u32 len,
		      u64 val)
{
	return vireo_rules_store_bits(op, shadow, off - op->offset, len, val);
}
