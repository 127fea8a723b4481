// SPDX-License-Identifier: GPL-2.0
/*
 * The module's rule interpreter and the VMM's must agree on random regions and
 * scripts (tests/conform/).  The module's side is its own source, built into
 * this program; tests/kselftest/conform.c has it in the kernel.
 *
 * VIREO_CONFORM       accesses (default 300000)
 * VIREO_CONFORM_SEED  where to begin
 */
#include "cmocka_unit.h"

#include <stdio.h>
#include <stdlib.h>

#include "../../kmod/ring.c"
#include "../../kmod/rules.c"
#include "../conform/conform.h"

/* What io.c of the module does around the rules, without the locks. */
struct module {
	struct conform_target target;
	struct vireo_rules *rules;
	struct vireo_post_ring ring;
	bool enabled;
	uint64_t events[CONFORM_EVENTS + 1];
};

static struct module *to_module(struct conform_target *t)
{
	return (struct module *)t;
}

static int module_open(struct conform_target *t, const struct conform_region *r)
{
	struct module *m = to_module(t);
	const size_t shadow = r->shadow_pages * VIREO_SHADOW_SIZE;
	int i, ret;

	/* Exactly as large as the module thinks, for the sanitizers. */
	m->rules =
		calloc(1, sizeof(*m->rules) + VIREO_RULES_OPS(r->nr_rules) *
						      sizeof(m->rules->op[0]));
	ret = vireo_rules_compile(m->rules, r->rules, r->nr_rules, r->len,
				  shadow);
	if (ret)
		return ret;
	/* An eventfd is the address of its counter. */
	for (i = 0; i < m->rules->end[VIREO_WRITE]; i++) {
		struct vireo_op *op = &m->rules->op[i];
		int fd = op->action == VIREO_ACT_EVENT ||
					 op->action == VIREO_ACT_CLEAR ?
				 r->rules[op->rule].fd :
				 -1;

		if (fd >= 0)
			op->ctx = (struct eventfd_ctx *)&m->events[fd];
	}
	t->shadow = calloc(1, shadow);
	t->ring = NULL;
	if (r->ring_entries) {
		t->ring = calloc(1, sizeof(*t->ring) +
					    r->ring_entries *
						    sizeof(t->ring->post[0]));
		vireo_ring_init(&m->ring, t->ring, r->ring_entries);
	}
	m->enabled = true;
	return 0;
}

static void module_close(struct conform_target *t)
{
	free(to_module(t)->rules);
	free(t->shadow);
	free(t->ring);
}

static int module_enable(struct conform_target *t, bool enable)
{
	to_module(t)->enabled = enable;
	return 0;
}

static void signal_event(const struct vireo_op *op)
{
	++*(uint64_t *)op->ctx;
}

/* As serve.c: what is known of a small offset first, then the search. */
static enum vireo_done quick_read(const struct vireo_rules *t, u8 *shadow,
				  u32 off, u32 len, u64 *val)
{
	const struct vireo_quick *q;
	const struct vireo_op *op;
	const void *data = NULL;
	u64 now;

	if (off >= VIREO_RULES_INDEXED)
		return VIREO_DONE_NOT;
	q = &t->quick[VIREO_READ][off];
	op = vireo_quick_op(q);
	if (vireo_rules_load(q, shadow, len, val))
		return VIREO_DONE;
	switch (vireo_quick_action(q, len)) {
	case VIREO_ACT_CLOCK:
		now = vireo_clock_read(op, shadow, q->shadow, ktime_get_ns());
		data = &now;
		break;
	case VIREO_ACT_INDEXED:
		data = vireo_quick_indexed(q, shadow);
		break;
	case VIREO_ACT_CONST:
		data = &op->value;
		break;
	case VIREO_ACT_CLEAR:
		if (!vireo_width_ok(len))
			break;
		return vireo_rules_read_clear(op, shadow + q->shadow, len, val);
	default:
		break;
	}
	return data && vireo_copy(val, data, len) ? VIREO_DONE : VIREO_DONE_NOT;
}

static bool module_read(struct module *m, u32 off, u32 len, u64 *val)
{
	u8 *shadow = m->target.shadow;
	const struct vireo_op *op;
	enum vireo_done done;

	op = vireo_first_op(m->rules, VIREO_READ, off);
	done = quick_read(m->rules, shadow, off, len, val);
	if (done == VIREO_DONE_NOT) {
		op = vireo_rules_read(op, shadow, off, len, val);
		if (!op || !vireo_op_is_slow(op))
			return op;
		done = vireo_rules_read_slow(op, shadow, off - op->offset, len,
					     val);
	}
	if (done == VIREO_DONE_SIGNAL)
		signal_event(op);
	return done != VIREO_DONE_NOT;
}

/* The op that decides, if that is known at once. */
static const struct vireo_op *quick_write(const struct vireo_rules *t, u32 off,
					  u32 len, u64 val)
{
	const struct vireo_quick *q;
	const struct vireo_op *op;

	if (off >= VIREO_RULES_INDEXED)
		return NULL;
	q = &t->quick[VIREO_WRITE][off];
	op = vireo_quick_op(q);
	switch (vireo_quick_action(q, len)) {
	case VIREO_ACT_STORE_BITS:
		/* What serve.c goes by in the op's stead. */
		assert_int_equal(q->shadow - op->shadow, off - op->offset);
		/* fall through */
	case VIREO_ACT_POST:
	case VIREO_ACT_DROP:
		return vireo_width_ok(len) ? op : NULL;
	case VIREO_ACT_EVENT:
		return vireo_width_ok(len) && (vireo_load(&val, len) &
					       op->mask) == op->value ?
			       op :
			       NULL;
	default:
		return NULL;
	}
}

static bool module_write(struct module *m, u32 off, u32 len, u64 val)
{
	u8 *shadow = m->target.shadow;
	const struct vireo_op *op;
	enum vireo_push pushed;
	enum vireo_done done;

	if (off < VIREO_RULES_INDEXED &&
	    vireo_rules_store(&m->rules->quick[VIREO_WRITE][off], shadow, len,
			      &val))
		return true;
	op = quick_write(m->rules, off, len, val);
	if (!op)
		op = vireo_rules_write(vireo_first_op(m->rules, VIREO_WRITE,
						      off),
				       shadow, off, len, &val);
	if (!op || !vireo_op_is_slow(op))
		return op;
	if (op->action == VIREO_ACT_POST) {
		pushed = vireo_rules_post(op, shadow, &m->ring, off, len, 0,
					  val);
		m->events[CONFORM_EVENTS] += pushed == VIREO_PUSH_SIGNAL;
		return pushed != VIREO_PUSH_FULL;
	}
	done = vireo_rules_write_slow(op, shadow, off - op->offset, len, val);
	if (done == VIREO_DONE_SIGNAL)
		signal_event(op);
	return done != VIREO_DONE_NOT;
}

static int module_run(struct conform_target *t, struct conform_access *a,
		      unsigned int nr)
{
	struct module *m = to_module(t);

	for (; nr; nr--, a++) {
		/* What begins below a region does not reach it. */
		if (!m->enabled || a->off < 0)
			a->passed = true;
		else if (a->write)
			a->passed = !module_write(m, (u32)a->off, a->width,
						  a->data);
		else
			a->passed = !module_read(m, (u32)a->off, a->width,
						 &a->value);
	}
	return 0;
}

static uint64_t module_events(struct conform_target *t, unsigned int event)
{
	uint64_t n = to_module(t)->events[event];

	to_module(t)->events[event] = 0;
	return n;
}

static void interpreters_agree(void **state)
{
	unsigned long accesses = conform_env("VIREO_CONFORM", 300000);
	unsigned long seed = conform_env("VIREO_CONFORM_SEED", 1);
	struct module m = {
		.target = {
			.max_width = 8,
			.open = module_open,
			.close = module_close,
			.enable = module_enable,
			.run = module_run,
			.events = module_events,
		},
	};
	struct conform_counts n;
	char why[400];

	(void)state;
	if (conform_run(&m.target, seed, accesses, &n, why, sizeof(why)))
		fail_msg("%s", why);
	print_message(
		"%lu accesses of %lu regions: %lu served, %lu passed, %lu of them full rings, %lu posts, %lu events, %lu clocks\n",
		n.accesses, n.regions, n.served, n.passed, n.full, n.posts,
		n.events, n.clocks);
	/* Else it compared nothing of interest. */
	assert_true(n.served > n.accesses / 4);
	assert_true(n.full && n.posts && n.events && n.clocks);
}

static void passes(const struct vireo_rules *t, u8 *shadow, u32 off, u32 len)
{
	const struct vireo_op *rd = vireo_first_op(t, VIREO_READ, off);
	const struct vireo_op *wr = vireo_first_op(t, VIREO_WRITE, off);
	u64 val = 0;

	assert_null(vireo_rules_read(rd, shadow, off, len, &val));
	assert_null(vireo_rules_write(wr, shadow, off, len, &val));
	assert_int_equal(quick_read(t, shadow, off, len, &val), VIREO_DONE_NOT);
	assert_null(quick_write(t, off, len, val));
	if (off < VIREO_RULES_INDEXED)
		assert_false(vireo_rules_store(&t->quick[VIREO_WRITE][off],
					       shadow, len, &val));
}

/* No width that a guest can think of makes the module move other bytes. */
static void odd_widths_pass(void **state)
{
	const u32 widths[] = { 0, 3, 5, 6, 7, 9, 16, 33, 255, 256, 0xffffffff };
	struct vireo_rules *t =
		calloc(1, sizeof(*t) + VIREO_RULES_OPS(1) * sizeof(t->op[0]));
	const struct vireo_rule rules[] = {
		{ .type = VIREO_RULE_SHADOW,
		  .len = 256,
		  .flags = VIREO_RULE_WRITE_THROUGH },
		{ .type = VIREO_RULE_SHADOW,
		  .len = 8,
		  .flags = VIREO_RULE_WRITE_THROUGH,
		  .mask = 0x7f },
		{ .type = VIREO_RULE_CONST,
		  .len = 256,
		  .flags = VIREO_RULE_WRITE_DROP },
		{ .type = VIREO_RULE_POST,
		  .len = 256,
		  .flags = VIREO_RULE_READ_SHADOW },
		{ .type = VIREO_RULE_EVENT, .len = 256 },
		{ .type = VIREO_RULE_INDEXED, .len = 256 },
		{ .type = VIREO_RULE_CLOCK,
		  .len = 8,
		  .value = 1,
		  .mask = 1,
		  .flags = VIREO_RULE_WRITE_DROP },
		{ .type = VIREO_RULE_CLEAR,
		  .len = 256,
		  .flags = VIREO_RULE_READ_CLEAR | VIREO_RULE_WRITE_ONE_CLEAR,
		  .fd = -1 },
	};
	u8 *shadow = calloc(1, VIREO_SHADOW_SIZE);
	u32 i, w, off;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(rules); i++) {
		assert_int_equal(vireo_rules_compile(t, &rules[i], 1, 256,
						     VIREO_SHADOW_SIZE),
				 0);
		for (off = 0; off < 256; off++)
			for (w = 0; w < ARRAY_SIZE(widths); w++)
				passes(t, shadow, off, widths[w]);
	}
	free(shadow);
	free(t);
}

static void bad_tables_are_refused(void **state)
{
	struct vireo_rules *t =
		calloc(1, sizeof(*t) + VIREO_RULES_OPS(1) * sizeof(t->op[0]));
	const struct vireo_rule good = { .type = VIREO_RULE_SHADOW, .len = 4 };
	struct vireo_rule r;

	(void)state;
#define REFUSED(field, value)                                             \
	do {                                                              \
		r = good;                                                 \
		r.field = (value);                                        \
		assert_int_equal(vireo_rules_compile(t, &r, 1, 16, 4096), \
				 -EINVAL);                                \
	} while (0)
	assert_int_equal(vireo_rules_compile(t, &good, 1, 16, 4096), 0);
	assert_int_equal(vireo_rules_compile(t, &good, 0, 16, 4096), -EINVAL);
	REFUSED(type, 0);
	REFUSED(type, 8);
	REFUSED(widths, 0x10);
	REFUSED(flags, VIREO_RULE_READ_SHADOW);
	REFUSED(flags, VIREO_RULE_WRITE_THROUGH | VIREO_RULE_WRITE_DROP);
	REFUSED(len, 0);
	REFUSED(len, 17);
	REFUSED(len, UINT32_MAX);
	REFUSED(offset, 13);
	REFUSED(offset, UINT32_MAX);
	REFUSED(shadow, VIREO_SHADOW_SIZE - 3);
	REFUSED(fd, 1);
	REFUSED(value, 1);
	REFUSED(mask, 1);
	REFUSED(index, 4);
	REFUSED(index_mask, 1);
	REFUSED(reserved[2], 1);
	free(t);
}

static enum vireo_push push(struct vireo_post_ring *ring, uint64_t val)
{
	const struct vireo_op op = { .action = VIREO_ACT_POST };

	return vireo_rules_post(&op, NULL, ring, 1, 1, 0, val);
}

/* No head that the owner can store makes the module write outside. */
static void ring_survives_its_owner(void **state)
{
	const size_t size =
		sizeof(struct vireo_ring) + 4 * sizeof(struct vireo_post);
	uint8_t *mem = calloc(1, size + 1);
	struct vireo_ring *shared = (struct vireo_ring *)mem;
	struct vireo_post_ring ring;
	unsigned int i, full = 0;

	(void)state;
	mem[size] = 0x5a;
	vireo_ring_init(&ring, shared, 4);
	assert_int_equal(push(&ring, 7), VIREO_PUSH_SIGNAL);
	for (i = 0; i < 3; i++)
		assert_int_equal(push(&ring, i), VIREO_PUSH_DONE);
	assert_int_equal(push(&ring, 9), VIREO_PUSH_FULL);
	assert_int_equal(shared->post[0].value, 7);

	for (i = 0; i < 100000; i++) {
		shared->head = (uint32_t)(i * 2654435761U);
		shared->tail = i;
		shared->entries = UINT32_MAX;
		full += push(&ring, i) == VIREO_PUSH_FULL;
	}
	assert_true(full > 0);
	assert_int_equal(mem[size], 0x5a);
	free(mem);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(interpreters_agree),
		cmocka_unit_test(odd_widths_pass),
		cmocka_unit_test(bad_tables_are_refused),
		cmocka_unit_test(ring_survives_its_owner),
	};

	return cmocka_run_group_tests_name("rules", tests, NULL, NULL);
}
