// SPDX-License-Identifier: GPL-2.0
/*
 * The module's rule interpreter and the VMM's must agree: random tables and
 * random accesses, the same for both, every value, store, post and event
 * compared.  The module's side is its own source, built into this program.
 */
#include "cmocka_unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "../../kmod/ring.c"
#include "../../kmod/rules.c"
#include "bus.h"
#include "fastpath.h"

#define REGION_LEN 160 /* beyond what the module indexes */
#define NR_RULES 8
#define TABLES 200
#define ACCESSES 100

/* Reproducible: a failure names the table. */
static uint64_t rng_state;

static uint64_t rnd(uint64_t below)
{
	rng_state ^= rng_state << 13;
	rng_state ^= rng_state >> 7;
	rng_state ^= rng_state << 17;
	return rng_state % below;
}

struct posted {
	unsigned int nr;
	uint64_t off, val;
	unsigned int size;
};

static uint64_t no_read(void *dev, uint64_t off, unsigned int size)
{
	(void)dev;
	(void)off;
	(void)size;
	fail();
	return 0;
}

static void on_post(void *dev, uint64_t off, unsigned int size, uint64_t val)
{
	struct posted *p = dev;

	*p = (struct posted){ p->nr + 1, off, val, size };
}

static const struct bus_ops ops = { no_read, on_post };

static struct vireo_rule random_rule(int fd)
{
	struct vireo_rule r = {
		.type = (uint8_t)(1 + rnd(5)),
		.widths = (uint8_t)(rnd(3) ? 0 : 1 + rnd(15)),
	};

	r.offset = (uint32_t)rnd(REGION_LEN);
	r.len = (uint32_t)(1 + rnd(REGION_LEN - r.offset < 12 ?
					   REGION_LEN - r.offset :
					   12));
	switch (r.type) {
	case VIREO_RULE_SHADOW:
		r.flags = (uint16_t)rnd(3); /* none, through, drop */
		r.shadow = (uint32_t)rnd(VIREO_SHADOW_SIZE - r.len);
		break;
	case VIREO_RULE_CONST:
		r.flags = rnd(2) ? VIREO_RULE_WRITE_DROP : 0;
		r.value = rnd(UINT64_MAX);
		break;
	case VIREO_RULE_POST:
		if (rnd(2)) {
			r.flags = VIREO_RULE_READ_SHADOW;
			r.shadow = (uint32_t)rnd(VIREO_SHADOW_SIZE - r.len);
		}
		break;
	case VIREO_RULE_EVENT:
		r.fd = fd;
		r.mask = rnd(4);
		r.value = rnd(4) & r.mask;
		break;
	case VIREO_RULE_INDEXED:
		r.flags = rnd(2) ? VIREO_RULE_NOT_EQUAL : 0;
		r.index = (uint32_t)rnd(VIREO_SHADOW_SIZE / 4) * 4;
		r.mask = rnd(4);
		r.value = rnd(4) & r.mask;
		if (rnd(2)) {
			r.flags |= VIREO_RULE_READ_ONES;
			break;
		}
		r.index_mask = (uint32_t)rnd(VIREO_SHADOW_SIZE / 2);
		r.shadow = (uint32_t)rnd(VIREO_SHADOW_SIZE / 2 - r.len);
		break;
	}
	return r;
}

struct both {
	struct vireo_rule rules[NR_RULES];
	/* The module's. */
	struct vireo_rules *table;
	uint8_t kshadow[VIREO_SHADOW_SIZE];
	/* The VMM's. */
	struct posted posted;
	struct bus_range range;
	struct fast_region region;
	uint8_t ushadow[VIREO_SHADOW_SIZE];
	int event;
};

static void compare_read(struct both *b, uint32_t off, uint32_t size)
{
	uint64_t kval = 0, uval = 0, mask;
	bool k, u;

	mask = size == 8 ? UINT64_MAX : (1ULL << size * 8) - 1;
	/* Widths that no register has are nobody's. */
	assert_null(vireo_rules_read(b->table, b->kshadow, off, 0, &kval));
	assert_null(vireo_rules_read(b->table, b->kshadow, off, 3, &kval));
	assert_null(vireo_rules_read(b->table, b->kshadow, off, 16, &kval));
	assert_null(vireo_rules_write(b->table, b->kshadow, off, 0, &kval));
	assert_null(vireo_rules_write(b->table, b->kshadow, off, 6, &kval));
	assert_null(vireo_rules_write(b->table, b->kshadow, off, 256, &kval));
	k = vireo_rules_read(b->table, b->kshadow, off, size, &kval);
	u = fast_rules_read(&b->region, off, size, &uval);
	assert_int_equal(k, u);
	if (k)
		assert_int_equal(kval & mask, uval & mask);
}

static void compare_write(struct both *b, uint32_t off, uint32_t size,
			  uint64_t val)
{
	const struct vireo_op *op;
	unsigned int posts = b->posted.nr;
	uint64_t events = 0;
	bool u;

	op = vireo_rules_write(b->table, b->kshadow, off, size, &val);
	u = fast_rules_write(&b->region, off, size, val);
	assert_int_equal(op != NULL, u);
	assert_memory_equal(b->kshadow, b->ushadow, sizeof(b->kshadow));

	if (op && op->action == VIREO_ACT_POST) {
		assert_int_equal(b->posted.nr, posts + 1);
		assert_int_equal(b->posted.off, off);
		assert_int_equal(b->posted.size, size);
		assert_int_equal(b->posted.val, val);
	} else {
		assert_int_equal(b->posted.nr, posts);
	}
	if (read(b->event, &events, sizeof(events)) < 0)
		events = 0;
	assert_int_equal(events, op && op->action == VIREO_ACT_EVENT);
}

static void interpreters_agree(void **state)
{
	unsigned int t, i, served = 0;
	struct both *b = calloc(1, sizeof(*b));
	uint64_t val;

	(void)state;
	b->event = eventfd(0, EFD_NONBLOCK);
	b->table =
		calloc(1, sizeof(*b->table) + VIREO_RULES_OPS(NR_RULES) *
						      sizeof(b->table->op[0]));
	b->range = (struct bus_range){ .name = "both",
				       .len = REGION_LEN,
				       .ops = &ops,
				       .dev = &b->posted };
	b->region.rules = b->rules;
	b->region.nr_rules = NR_RULES;
	b->region.range = &b->range;
	b->region.shadow = b->ushadow;

	for (t = 1; t <= TABLES; t++) {
		rng_state = t * 0x9e3779b97f4a7c15ULL;
		for (i = 0; i < NR_RULES; i++)
			b->rules[i] = random_rule(b->event);
		assert_int_equal(vireo_rules_compile(b->table, b->rules,
						     NR_RULES, REGION_LEN,
						     VIREO_SHADOW_SIZE),
				 0);
		for (i = 0; i < VIREO_SHADOW_SIZE; i++)
			b->kshadow[i] = b->ushadow[i] = (uint8_t)rnd(256);

		for (i = 0; i < ACCESSES; i++) {
			uint32_t size = 1U << rnd(4);
			uint32_t off = (uint32_t)rnd(REGION_LEN - size + 1);

			if (rnd(2)) {
				compare_read(b, off, size);
				continue;
			}
			val = rnd(UINT64_MAX);
			if (size < 8)
				val &= (1ULL << size * 8) - 1;
			served += b->posted.nr;
			compare_write(b, off, size, val);
		}
	}
	/* Else it compared nothing of interest. */
	assert_true(served > TABLES);
	close(b->event);
	free(b->table);
	free(b);
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
		cmocka_unit_test(bad_tables_are_refused),
		cmocka_unit_test(ring_survives_its_owner),
	};

	return cmocka_run_group_tests_name("rules", tests, NULL, NULL);
}
