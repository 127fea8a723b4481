// SPDX-License-Identifier: GPL-2.0-or-later
#include "cmocka_unit.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "bus.h"
#include "error.h"
#include "fastpath.h"

/* A device that remembers the last access. */
struct probe {
	uint64_t off;
	uint64_t val;
	unsigned int size;
	unsigned int reads;
	unsigned int writes;
};

static uint64_t probe_read(void *dev, uint64_t off, unsigned int size)
{
	struct probe *p = dev;

	p->off = off;
	p->size = size;
	p->reads++;
	return 0x1122334455667788ULL;
}

static void probe_write(void *dev, uint64_t off, unsigned int size,
			uint64_t val)
{
	struct probe *p = dev;

	p->off = off;
	p->size = size;
	p->val = val;
	p->writes++;
}

static const struct bus_ops probe_ops = { probe_read, probe_write };

static struct bus_range range_at(struct probe *p, uint64_t base, uint64_t len)
{
	return (struct bus_range){
		.name = "probe",
		.base = base,
		.len = len,
		.ops = &probe_ops,
		.dev = p,
	};
}

static int setup(void **state)
{
	struct bus *bus = calloc(1, sizeof(*bus));

	bus_init(bus, BUS_MMIO);
	*state = bus;
	return 0;
}

static int teardown(void **state)
{
	bus_destroy(*state);
	free(*state);
	return 0;
}

static void refuses_bad_ranges(void **state)
{
	struct bus *bus = *state;
	struct probe p = { 0 };
	struct bus_range ok = range_at(&p, 0x1000, 0x100);
	struct bus_range empty = range_at(&p, 0x2000, 0);
	struct bus_range wraps = range_at(&p, UINT64_MAX - 1, 4);
	struct bus_range same = range_at(&p, 0x1000, 0x100);
	struct bus_range below = range_at(&p, 0xfff, 2);
	struct bus_range above = range_at(&p, 0x10ff, 2);
	struct bus_range around = range_at(&p, 0x800, 0x1000);
	struct bus_range next = range_at(&p, 0x1100, 1);
	struct bus_range prev = range_at(&p, 0xfff, 1);
	struct error err;

	assert_int_equal(bus_insert(bus, &ok, &err), 0);
	assert_int_equal(bus_insert(bus, &empty, &err), -EINVAL);
	assert_int_equal(bus_insert(bus, &wraps, &err), -EINVAL);
	assert_int_equal(bus_insert(bus, &same, &err), -EEXIST);
	assert_int_equal(bus_insert(bus, &below, &err), -EEXIST);
	assert_int_equal(bus_insert(bus, &above, &err), -EEXIST);
	assert_int_equal(bus_insert(bus, &around, &err), -EEXIST);
	assert_int_equal(bus_insert(bus, &next, &err), 0);
	assert_int_equal(bus_insert(bus, &prev, &err), 0);
	assert_int_equal(bus->count, 3);
}

static void pio_ends_at_64k(void **state)
{
	struct bus *bus = *state;
	struct probe p = { 0 };
	struct bus_range last = range_at(&p, 0xffff, 1);
	struct bus_range past = range_at(&p, 0xfffe, 3);
	struct error err;

	bus_init(bus, BUS_PIO);
	assert_int_equal(bus_insert(bus, &past, &err), -EINVAL);
	assert_int_equal(bus_insert(bus, &last, &err), 0);
}

static void finds_the_right_device(void **state)
{
	struct bus *bus = *state;
	struct probe p[100] = { 0 };
	struct bus_range r[100];
	struct bus_hint hint = { 0 };
	struct error err;
	unsigned int i, at;

	/* Inserted in an order of their own. */
	for (i = 0; i < 100; i++) {
		at = i * 37 % 100;
		r[at] = range_at(&p[at], at * 0x100, 0x80);
		assert_int_equal(bus_insert(bus, &r[at], &err), 0);
	}
	for (i = 0; i < 100; i++) {
		bus_write(bus, &hint, i * 0x100 + 0x10, 4, 0xffffffffffULL);
		assert_int_equal(p[i].writes, 1);
		assert_int_equal(p[i].off, 0x10);
		assert_int_equal(p[i].size, 4);
		assert_int_equal(p[i].val, 0xffffffff);
		/* The second one is by the hint. */
		assert_int_equal(bus_read(bus, &hint, i * 0x100 + 0x7f, 1),
				 0x88);
		assert_int_equal(p[i].reads, 1);
	}
}

static void unclaimed_reads_ones(void **state)
{
	struct bus *bus = *state;
	struct probe p = { 0 };
	struct bus_range r = range_at(&p, 0x1000, 8);
	struct bus_hint hint = { 0 };
	struct error err;

	assert_int_equal(bus_read(bus, &hint, 0x1000, 1), 0xff);
	assert_int_equal(bus_insert(bus, &r, &err), 0);
	assert_int_equal(bus_read(bus, &hint, 0xfff, 2), 0xffff);
	assert_int_equal(bus_read(bus, &hint, 0x1005, 4), 0xffffffff);
	assert_int_equal(bus_read(bus, &hint, UINT64_MAX - 1, 4), 0xffffffff);
	assert_true(bus_read(bus, &hint, 0x2000, 8) == UINT64_MAX);
	bus_write(bus, &hint, 0x1007, 2, 1);
	assert_int_equal(p.reads + p.writes, 0);
	assert_int_equal(bus->unclaimed_reads, 5);
	assert_int_equal(bus->unclaimed_writes, 1);
}

static void removed_range_is_gone(void **state)
{
	struct bus *bus = *state;
	struct probe p = { 0 }, q = { 0 };
	struct bus_range r = range_at(&p, 0x1000, 8);
	struct bus_range s = range_at(&q, 0x1000, 16);
	struct bus_hint hint = { 0 };
	struct error err;

	assert_int_equal(bus_insert(bus, &r, &err), 0);
	bus_read(bus, &hint, 0x1000, 8);
	bus_remove(bus, &r);
	bus_remove(bus, &r); /* twice does no harm */
	assert_true(bus_read(bus, &hint, 0x1000, 8) == UINT64_MAX);
	assert_int_equal(bus_insert(bus, &s, &err), 0);
	bus_read(bus, &hint, 0x1000, 8);
	assert_int_equal(p.reads, 1);
	assert_int_equal(q.reads, 1);
}

struct churn {
	struct bus *bus;
	struct bus_range *moving;
	bool stop;
};

static void *churner(void *opaque)
{
	struct churn *c = opaque;
	struct error err;
	unsigned int i;

	for (i = 0; i < 20000; i++) {
		c->moving->base = 0x4000 + (i % 7) * 0x100;
		assert_int_equal(bus_insert(c->bus, c->moving, &err), 0);
		bus_remove(c->bus, c->moving);
	}
	__atomic_store_n(&c->stop, true, __ATOMIC_RELEASE);
	return NULL;
}

/* While one range comes and goes, another is always found. */
static void lookup_during_change(void **state)
{
	struct bus *bus = *state;
	struct probe p = { 0 }, q = { 0 };
	struct bus_range fixed = range_at(&p, 0x8000, 8);
	struct bus_range moving = range_at(&q, 0, 8);
	struct churn c = { .bus = bus, .moving = &moving };
	struct bus_hint hint = { 0 };
	struct error err;
	pthread_t thread;
	unsigned int n = 0;

	assert_int_equal(bus_insert(bus, &fixed, &err), 0);
	pthread_create(&thread, NULL, churner, &c);
	while (!__atomic_load_n(&c.stop, __ATOMIC_ACQUIRE)) {
		assert_int_equal(bus_read(bus, &hint, 0x8000, 1), 0x88);
		n++;
	}
	pthread_join(thread, NULL);
	assert_int_equal(p.reads, n);
}

/* ---- rules in user space ------------------------------------------------ */

static const struct vireo_rule rules[] = {
	{ .type = VIREO_RULE_POST, .widths = VIREO_WIDTH_1, .len = 1 },
	{ .type = VIREO_RULE_SHADOW, .offset = 4, .len = 4, .shadow = 0x10 },
	{ .type = VIREO_RULE_SHADOW,
	  .flags = VIREO_RULE_WRITE_THROUGH,
	  .offset = 8,
	  .len = 4,
	  .shadow = 0x20 },
	{ .type = VIREO_RULE_CONST,
	  .flags = VIREO_RULE_WRITE_DROP,
	  .offset = 12,
	  .len = 4,
	  .value = 0x1234567890abcdefULL },
};

static void rules_decide(void **state)
{
	struct bus *bus = *state;
	uint8_t shadow[VIREO_SHADOW_SIZE] = { 0 };
	struct probe p = { 0 };
	struct bus_range r = range_at(&p, 0x1000, 32);
	struct fast_region region = {
		.rules = rules,
		.nr_rules = 4,
		.rules_end = 16,
		.range = &r,
		.shadow = shadow,
		.own_shadow = shadow,
	};
	struct bus_hint hint = { 0 };
	struct error err;

	assert_int_equal(bus_insert(bus, &r, &err), 0);
	r.fast = &region; /* as if mapped, with no kernel behind it */
	memcpy(shadow + 0x10, "\x01\x02\x03\x04", 4);

	/* SHADOW: any width inside, nothing across the end, no writes. */
	assert_int_equal(bus_read(bus, &hint, 0x1004, 4), 0x04030201);
	assert_int_equal(bus_read(bus, &hint, 0x1005, 1), 0x02);
	assert_int_equal(bus_read(bus, &hint, 0x1005, 2), 0x0302);
	assert_int_equal(p.reads, 0);
	bus_read(bus, &hint, 0x1006, 4);
	assert_int_equal(p.reads, 1);
	bus_write(bus, &hint, 0x1004, 1, 9);
	assert_int_equal(p.writes, 1);
	assert_int_equal(shadow[0x10], 1);

	/* WRITE_THROUGH. */
	bus_write(bus, &hint, 0x1009, 2, 0xbeef);
	assert_int_equal(p.writes, 1);
	assert_int_equal(bus_read(bus, &hint, 0x1008, 4), 0xbeef00);

	/* CONST: low bytes whatever the offset; writes dropped. */
	assert_int_equal(bus_read(bus, &hint, 0x100e, 1), 0xef);
	assert_int_equal(bus_read(bus, &hint, 0x100c, 4), 0x90abcdef);
	bus_write(bus, &hint, 0x100c, 4, 1);
	assert_int_equal(p.writes, 1);

	/* POST: delivered; another width or a read is the device's. */
	bus_write(bus, &hint, 0x1000, 1, 0x41);
	assert_int_equal(p.writes, 2);
	assert_int_equal(p.val, 0x41);
	bus_write(bus, &hint, 0x1000, 2, 0x4142);
	assert_int_equal(p.writes, 3);
	bus_read(bus, &hint, 0x1000, 1);
	assert_int_equal(p.reads, 2);
}

/* What has no side effect is read while somebody has the device's lock. */
static void rules_are_read_unlocked(void **state)
{
	struct bus *bus = *state;
	uint8_t shadow[VIREO_SHADOW_SIZE] = { 0 };
	struct probe p = { 0 };
	struct bus_range r = range_at(&p, 0x1000, 32);
	struct fast_region region = {
		.rules = rules,
		.nr_rules = 4,
		.rules_end = 16,
		.range = &r,
		.shadow = shadow,
		.own_shadow = shadow,
	};
	struct bus_hint hint = { 0 };
	pthread_mutexattr_t attr;
	pthread_mutex_t lock;
	struct error err;

	/* Who locks it twice fails, and then unlocks it. */
	pthread_mutexattr_init(&attr);
	pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_ERRORCHECK);
	pthread_mutex_init(&lock, &attr);
	assert_int_equal(bus_insert(bus, &r, &err), 0);
	r.fast = &region;
	r.lock = &lock;
	shadow[0x10] = 0x5a;

	pthread_mutex_lock(&lock);
	assert_int_equal(bus_read(bus, &hint, 0x1004, 1), 0x5a);
	assert_int_equal(bus_read(bus, &hint, 0x100c, 1), 0xef);
	assert_int_equal(pthread_mutex_trylock(&lock), EBUSY);
	assert_int_equal(p.reads, 0);

	/* Not while the shadow may be the kernel's, which may go away. */
	region.in_kernel = true;
	assert_int_equal(bus_read(bus, &hint, 0x1004, 1), 0x5a);
	assert_int_equal(pthread_mutex_trylock(&lock), 0);
	pthread_mutex_unlock(&lock);
	pthread_mutex_destroy(&lock);
	pthread_mutexattr_destroy(&attr);
}

/* A ring as the module fills it is delivered in order before an access. */
static void posts_come_first(void **state)
{
	struct bus *bus = *state;
	union {
		struct vireo_ring ring;
		uint8_t bytes[sizeof(struct vireo_ring) +
			      4 * sizeof(struct vireo_post)];
	} mem = { 0 };
	struct probe p = { 0 };
	struct bus_range r = range_at(&p, 0x1000, 32);
	struct fast_region region = {
		.range = &r,
		.ring = &mem.ring,
		.ring_entries = 4,
	};
	struct bus_hint hint = { 0 };
	struct error err;
	unsigned int i;

	assert_int_equal(bus_insert(bus, &r, &err), 0);
	r.fast = &region;
	mem.ring.head = mem.ring.tail = UINT32_MAX - 1; /* wraps on the way */
	for (i = 0; i < 3; i++)
		mem.ring.post[mem.ring.tail++ & 3] = (struct vireo_post){
			.value = i, .offset = i, .width = 1
		};
	bus_read(bus, &hint, 0x1010, 1);
	assert_int_equal(p.writes, 3);
	assert_int_equal(p.val, 2);
	assert_int_equal(p.reads, 1);
	assert_int_equal(mem.ring.head, mem.ring.tail);

	/* A tail that makes no sense costs one ring's worth, no more. */
	mem.ring.tail += 1000000;
	bus_read(bus, &hint, 0x1010, 1);
	assert_int_equal(p.writes, 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		T(refuses_bad_ranges),	   T(pio_ends_at_64k),
		T(finds_the_right_device), T(unclaimed_reads_ones),
		T(removed_range_is_gone),  T(lookup_during_change),
		T(rules_decide),	   T(rules_are_read_unlocked),
		T(posts_come_first),
	};

	return cmocka_run_group_tests_name("bus", tests, NULL, NULL);
}
