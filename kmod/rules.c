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
 * writes the shadow page at any time.  Both are hostile: an op is used only
 * after its bounds were compared with the access, and shadow + len of every
 * op lies within the page.
 */
#include "rules.h"

#define VIREO_WIDTH_ALL \
	(VIREO_WIDTH_1 | VIREO_WIDTH_2 | VIREO_WIDTH_4 | VIREO_WIDTH_8)

static_assert(sizeof(struct vireo_rule) == 56, "ABI");
static_assert(VIREO_RULES_OPS(VIREO_MAX_RULES) <= 255,
	      "vireo_rules.end[] is u8");
static_assert(sizeof(struct vireo_rules) + 255 * sizeof(struct vireo_op) <=
		      U16_MAX,
	      "vireo_rules.first[] is u16");

/* The flags that each rule type knows. */
static const u16 rule_flags[] = {
	[VIREO_RULE_SHADOW] = VIREO_RULE_WRITE_THROUGH | VIREO_RULE_WRITE_DROP,
	[VIREO_RULE_CONST] = VIREO_RULE_WRITE_DROP,
	[VIREO_RULE_POST] = VIREO_RULE_READ_SHADOW,
	[VIREO_RULE_EVENT] = 0,
	[VIREO_RULE_INDEXED] = VIREO_RULE_READ_ONES | VIREO_RULE_NOT_EQUAL,
};

static bool rule_uses_shadow(const struct vireo_rule *r)
{
	switch (r->type) {
	case VIREO_RULE_SHADOW:
		return true;
	case VIREO_RULE_POST:
		return r->flags & VIREO_RULE_READ_SHADOW;
	case VIREO_RULE_INDEXED:
		return !(r->flags & VIREO_RULE_READ_ONES);
	}
	return false;
}

/* What only some types use must be 0 in the others. */
static int check_match(const struct vireo_rule *r)
{
	bool indexed = r->type == VIREO_RULE_INDEXED;
	bool matches = indexed || r->type == VIREO_RULE_EVENT;

	if (r->type != VIREO_RULE_EVENT && r->fd)
		return -EINVAL;
	if (!matches && r->mask)
		return -EINVAL;
	if (matches && r->value & ~r->mask)
		return -EINVAL;
	if (!matches && r->type != VIREO_RULE_CONST && r->value)
		return -EINVAL;
	if (!indexed)
		return r->index || r->index_mask ? -EINVAL : 0;

	if (r->index & 3 || r->index > VIREO_SHADOW_SIZE - 4)
		return -EINVAL;
	if (r->mask >> 32)
		return -EINVAL;
	return 0;
}

static int rule_check(const struct vireo_rule *r, u64 region_len)
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

	if (rule_uses_shadow(r)) {
		if ((u64)r->shadow + r->index_mask + r->len > VIREO_SHADOW_SIZE)
			return -EINVAL;
	} else if (r->shadow || r->index_mask) {
		return -EINVAL;
	}

	return check_match(r);
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
	op->unless = r->flags & VIREO_RULE_NOT_EQUAL;
	op->ones = r->flags & VIREO_RULE_READ_ONES;
	op->index = r->index;
	op->index_mask = r->index_mask;
	op->value = r->value;
	op->mask = r->mask;
	op->ctx = NULL;
}

static void add_read(struct vireo_rules *t, const struct vireo_rule *r,
		     u32 index)
{
	if (r->type == VIREO_RULE_CONST)
		add_op(t, VIREO_READ, r, index, VIREO_ACT_CONST);
	else if (r->type == VIREO_RULE_INDEXED)
		add_op(t, VIREO_READ, r, index, VIREO_ACT_INDEXED);
	else if (rule_uses_shadow(r))
		add_op(t, VIREO_READ, r, index, VIREO_ACT_LOAD);
}

static void add_write(struct vireo_rules *t, const struct vireo_rule *r,
		      u32 index)
{
	if (r->type == VIREO_RULE_POST)
		add_op(t, VIREO_WRITE, r, index, VIREO_ACT_POST);
	else if (r->type == VIREO_RULE_EVENT)
		add_op(t, VIREO_WRITE, r, index, VIREO_ACT_EVENT);
	else if (r->flags & VIREO_RULE_WRITE_THROUGH)
		add_op(t, VIREO_WRITE, r, index, VIREO_ACT_STORE);
	else if (r->flags & VIREO_RULE_WRITE_DROP)
		add_op(t, VIREO_WRITE, r, index, VIREO_ACT_DROP);
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

static void build_index(struct vireo_rules *t, enum vireo_dir dir)
{
	u32 off, i;

	for (off = 0; off < VIREO_RULES_INDEXED; off++) {
		for (i = t->begin[dir]; i < t->end[dir]; i++)
			if (off - t->op[i].offset < t->op[i].len)
				break;
		t->first[dir][off] = (u8 *)&t->op[i] - (u8 *)t;
	}
}

/**
 * vireo_rules_compile() - check a rule table and make it ready to serve
 * @t: the result, with room for VIREO_RULES_OPS(@nr) ops
 * @rules: the table, already copied from user space
 * @nr: rules in the table
 * @region_len: bytes of the region
 *
 * The caller fills in vireo_op.ctx of EVENT ops afterwards.
 *
 * Return: 0, or -EINVAL if a rule is malformed.
 */
int vireo_rules_compile(struct vireo_rules *t, const struct vireo_rule *rules,
			u32 nr, u64 region_len)
{
	u32 i;
	int ret;

	if (!nr || nr > VIREO_MAX_RULES)
		return -EINVAL;

	for (i = 0; i < nr; i++) {
		ret = rule_check(&rules[i], region_len);
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

	build_index(t, VIREO_READ);
	build_index(t, VIREO_WRITE);
	return 0;
}
