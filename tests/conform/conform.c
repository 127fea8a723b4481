// SPDX-License-Identifier: GPL-2.0
/*
 * The VMM's interpreter beside a target; see conform.h.
 *
 * Accesses are put off, to be run by the target in one go, until the owner does
 * something; the VMM's interpreter is always ahead.
 */
#include "conform.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "bus.h"
#include "fastpath.h"
#include "generate.h"

#define STEPS 120

/* What the VMM's interpreter made of an access. */
struct expected {
	struct conform_access access;
	const struct vireo_rule *clock; /* decided by this CLOCK rule */
	uint64_t clock_add;
};

/* The interpreters' time, and how often they looked. */
static struct {
	uint64_t ns;
	unsigned long reads;
} conform_time;

struct conform {
	struct conform_target *t;
	struct conform_counts *counts;
	struct conform_rng rng;
	uint64_t region_seed;
	struct conform_region r;
	char *why;
	size_t why_size;

	/* The model: the VMM's interpreter and an owner that takes posts. */
	struct bus_range range;
	struct fast_region region;
	struct vireo_rule rules[CONFORM_MAX_RULES];
	uint8_t shadow[VIREO_MAX_SHADOW_PAGES * VIREO_SHADOW_SIZE]
		__attribute__((aligned(8)));
	int event[CONFORM_EVENTS];
	struct vireo_post posted[CONFORM_MAX_BATCH];
	unsigned int nr_posted;
	uint64_t ring_signals;
	bool was_posted;

	struct expected batch[CONFORM_MAX_BATCH];
	struct conform_access run[CONFORM_MAX_BATCH];
	unsigned int nr_batch;
};

/* What fast_rules.c takes from loop.c. */
uint64_t loop_now(void)
{
	conform_time.reads++;
	return conform_time.ns;
}

/* What the module's rules.c takes from the kernel. */
uint64_t ktime_get_ns(void);
uint64_t ktime_get_ns(void)
{
	return conform_time.ns;
}

static uint64_t real_time(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000U + (uint64_t)t.tv_nsec;
}

static uint64_t rnd(struct conform *c, uint64_t below)
{
	return conform_rnd(&c->rng.state, below);
}

#define FAIL(c, ...)                                                      \
	({                                                                \
		int n_ = snprintf((c)->why, (c)->why_size, "seed %llu: ", \
				  (unsigned long long)(c)->region_seed);  \
                                                                          \
		snprintf((c)->why + n_, (c)->why_size - (size_t)n_,       \
			 __VA_ARGS__);                                    \
		-1;                                                       \
	})

static int fail_access(struct conform *c, const struct conform_access *want,
		       const struct conform_access *got, const char *what)
{
	return FAIL(c,
		    "%s of %u at %d (data %#llx), in a region of %u with %u rules: %s: wanted %s %#llx, got %s %#llx",
		    want->write ? "write" : "read", want->width, want->off,
		    (unsigned long long)want->data, c->r.len, c->r.nr_rules,
		    what, want->passed ? "passed" : "served",
		    (unsigned long long)want->value,
		    got->passed ? "passed" : "served",
		    (unsigned long long)got->value);
}

/* The VMM's interpreter posted. */
static void on_post(void *dev, uint64_t off, unsigned int size, uint64_t val)
{
	struct conform *c = dev;

	c->was_posted = true;
	if (c->nr_posted == c->r.ring_entries)
		return;
	if (!c->nr_posted)
		c->ring_signals++;
	c->posted[c->nr_posted++] = (struct vireo_post){
		.value = val, .offset = (uint32_t)off, .width = (uint8_t)size
	};
	c->counts->posts++;
}

static const struct bus_ops post_ops = { .write = on_post };

static uint64_t take_events(int fd)
{
	uint64_t n;

	return read(fd, &n, sizeof(n)) == sizeof(n) ? n : 0;
}

static bool covers(const struct vireo_rule *rule, int32_t off,
		   unsigned int width)
{
	return off >= (int32_t)rule->offset &&
	       off + width <= rule->offset + rule->len &&
	       (!rule->widths || rule->widths & width);
}

/* A CLOCK decides whatever it covers: if one decided, it was the first. */
static const struct vireo_rule *clock_rule(const struct conform *c,
					   const struct conform_access *a)
{
	uint32_t i;

	for (i = 0; i < c->r.nr_rules; i++)
		if (c->rules[i].type == VIREO_RULE_CLOCK &&
		    covers(&c->rules[i], a->off, a->width))
			return &c->rules[i];
	return NULL;
}

static uint64_t clock_count(const struct vireo_rule *rule, uint64_t ns)
{
	uint64_t m = (uint64_t)(((unsigned __int128)rule->value << 64) /
				1000000000U);

	return (uint64_t)(((unsigned __int128)ns * m) >> 64);
}

/* Could the counter have shown this between the two times? */
static bool clock_plausible(const struct expected *e, uint64_t value,
			    uint64_t from, uint64_t to)
{
	const struct vireo_rule *rule = e->clock;
	unsigned int shift = ((uint32_t)e->access.off - rule->offset) * 8;
	uint64_t mask = rule->mask >> shift &
			conform_width_mask(e->access.width);
	uint64_t low, high;

	if (value & ~mask)
		return false;
	from += e->clock_add;
	to += e->clock_add;
	/* Around 2^64 ns, or bits that are missing in between: no telling. */
	if (from > to || mask & (mask + 1))
		return true;
	low = clock_count(rule, from) >> shift;
	high = clock_count(rule, to) >> shift;
	return ((value - low) & mask) <= high - low;
}

static int compare(struct conform *c, uint64_t from, uint64_t to)
{
	unsigned int i;

	for (i = 0; i < c->nr_batch; i++) {
		const struct expected *e = &c->batch[i];
		const struct conform_access *got = &c->run[i];

		if (e->access.passed != got->passed)
			return fail_access(c, &e->access, got, "who decides");
		if (got->passed || got->write)
			continue;
		if (!c->t->real_time || !e->clock) {
			if (e->access.value != got->value)
				return fail_access(c, &e->access, got, "value");
		} else if (!clock_plausible(e, got->value, from, to)) {
			return fail_access(c, &e->access, got, "clock");
		}
	}
	return 0;
}

static int compare_events(struct conform *c)
{
	unsigned int i;

	for (i = 0; i <= CONFORM_EVENTS; i++) {
		uint64_t got = c->t->events(c->t, i);
		uint64_t want = i < CONFORM_EVENTS ? take_events(c->event[i]) :
						     c->ring_signals;

		if (got != want)
			return FAIL(c,
				    "event %u: wanted %llu signals, got %llu",
				    i, (unsigned long long)want,
				    (unsigned long long)got);
		c->counts->events += want;
	}
	c->ring_signals = 0;
	return 0;
}

/* What the target did of the accesses that were put off. */
static int flush(struct conform *c)
{
	uint64_t from, to;
	unsigned int i;
	int ret;

	for (i = 0; i < c->nr_batch; i++) {
		c->run[i] = c->batch[i].access;
		c->run[i].passed = false;
		c->run[i].value = 0;
	}
	from = real_time();
	ret = c->t->run(c->t, c->run, c->nr_batch);
	to = real_time();
	if (ret)
		return FAIL(c, "the target failed: %s", strerror(-ret));
	if (compare(c, from, to) || compare_events(c))
		return -1;
	c->nr_batch = 0;
	return 0;
}

/* What the VMM's interpreter makes of it. */
static void expect(struct conform *c, struct expected *e)
{
	struct conform_access *a = &e->access;
	unsigned long reads = conform_time.reads;
	struct fast_value v;
	bool served = false;

	c->was_posted = false;
	e->clock = NULL;
	/* What begins outside a range does not come to its rules. */
	if (a->off >= 0 && a->write) {
		served = fast_rules_write(&c->region, (uint64_t)a->off,
					  a->width, a->data);
	} else if (a->off >= 0) {
		v = fast_rules_read(&c->region, (uint64_t)a->off, a->width);
		served = v.known;
		a->value = v.val;
	}
	a->passed = !served;
	a->value = served ? a->value & conform_width_mask(a->width) : 0;
	if (conform_time.reads != reads) {
		e->clock = clock_rule(c, a);
		memcpy(&e->clock_add, c->shadow + e->clock->shadow, 8);
		c->counts->clocks++;
	}
}

static int guest_access(struct conform *c)
{
	struct expected *e = &c->batch[c->nr_batch++];
	bool full = c->r.ring_entries && c->nr_posted == c->r.ring_entries;

	conform_random_access(&c->rng, &c->r, c->t->max_width, &e->access);
	expect(c, e);
	c->counts->accesses++;
	if (c->was_posted && full) {
		/*
		 * The target passes it, having done nothing, and its owner does
		 * by itself what the VMM's interpreter did.
		 */
		e->access.passed = true;
		c->counts->full++;
		if (flush(c))
			return -1;
		memcpy(c->t->shadow, c->shadow,
		       c->r.shadow_pages * VIREO_SHADOW_SIZE);
	}
	if (e->access.passed)
		c->counts->passed++;
	else
		c->counts->served++;
	return c->nr_batch == CONFORM_MAX_BATCH ? flush(c) : 0;
}

static int take_posts(struct conform *c, unsigned int nr)
{
	struct vireo_ring *ring = c->t->ring;
	unsigned int i;

	if (!ring)
		return 0;
	if (ring->tail - ring->head != c->nr_posted)
		return FAIL(c, "wanted %u posts, got %u", c->nr_posted,
			    ring->tail - ring->head);
	if (nr > c->nr_posted)
		nr = c->nr_posted;
	for (i = 0; i < nr; i++) {
		const struct vireo_post *got =
			&ring->post[ring->head++ & (ring->entries - 1)];

		if (memcmp(got, &c->posted[i], sizeof(*got)))
			return FAIL(c,
				    "post: wanted %#llx, %u bytes at %u, got %#llx, %u bytes at %u",
				    (unsigned long long)c->posted[i].value,
				    c->posted[i].width, c->posted[i].offset,
				    (unsigned long long)got->value, got->width,
				    got->offset);
	}
	c->nr_posted -= nr;
	memmove(c->posted, c->posted + nr, c->nr_posted * sizeof(c->posted[0]));
	return 0;
}

static int owner_step(struct conform *c)
{
	uint32_t at;

	if (flush(c))
		return -1;
	switch (c->region.off ? 0 : rnd(c, 12)) {
	case 0:
		c->region.off = !c->region.off;
		return c->t->enable(c->t, !c->region.off) ?
			       FAIL(c, "cannot switch the region") :
			       0;
	case 1:
	case 2:
	case 3:
	case 4:
		return take_posts(c, (unsigned int)rnd(c, 9));
	default:
		conform_time.ns += rnd(c, 1ULL << rnd(c, 40));
		at = conform_random_byte(&c->rng, &c->r);
		c->shadow[at] = (uint8_t)(rnd(c, 3) ? rnd(c, 256) : rnd(c, 4));
		c->t->shadow[at] = c->shadow[at];
		return 0;
	}
}

static int compare_shadow(struct conform *c)
{
	size_t i;

	for (i = 0; i < c->r.shadow_pages * VIREO_SHADOW_SIZE; i++)
		if (c->shadow[i] != c->t->shadow[i])
			return FAIL(c, "shadow byte %zu: wanted %#x, got %#x",
				    i, c->shadow[i], c->t->shadow[i]);
	return 0;
}

static int script(struct conform *c)
{
	unsigned int i;

	for (i = 0; i < STEPS; i++)
		if (rnd(c, 12) ? guest_access(c) : owner_step(c))
			return -1;
	if (flush(c) || take_posts(c, c->nr_posted))
		return -1;
	return compare_shadow(c);
}

static void model_region(struct conform *c)
{
	uint32_t i;

	memcpy(c->rules, c->r.rules, sizeof(c->rules));
	for (i = 0; i < c->r.nr_rules; i++)
		if (c->rules[i].type == VIREO_RULE_EVENT ||
		    (c->rules[i].type == VIREO_RULE_CLEAR &&
		     c->rules[i].fd >= 0))
			c->rules[i].fd = c->event[c->rules[i].fd];
	memset(&c->region, 0, sizeof(c->region));
	c->range = (struct bus_range){
		.name = "conform", .len = c->r.len, .ops = &post_ops, .dev = c
	};
	c->region.rules = c->rules;
	c->region.nr_rules = c->r.nr_rules;
	c->region.range = &c->range;
	c->region.shadow = c->shadow;
	c->nr_posted = 0;
	c->nr_batch = 0;
}

static int one_region(struct conform *c, uint64_t seed)
{
	uint32_t i;
	int ret;

	c->region_seed = seed;
	c->rng.state = (seed + 1) * 0x9e3779b97f4a7c15ULL | 1;
	for (i = 0; i < 8; i++)
		rnd(c, 2);
	conform_random_region(&c->rng, &c->r);
	model_region(c);
	/* Times at which high bits of the counters change, too. */
	conform_time.ns = rnd(c, UINT64_MAX) >> rnd(c, 64);

	ret = c->t->open(c->t, &c->r);
	if (ret)
		return FAIL(c, "the region was refused: %s", strerror(-ret));
	for (i = 0; i < c->r.shadow_pages * VIREO_SHADOW_SIZE; i++)
		c->shadow[i] = (uint8_t)rnd(c, 256);
	memcpy(c->t->shadow, c->shadow, i);
	ret = script(c);
	c->t->close(c->t);
	c->counts->regions++;
	return ret;
}

int conform_run(struct conform_target *t, uint64_t seed, unsigned long accesses,
		struct conform_counts *counts, char *why, size_t why_size)
{
	struct conform *c = calloc(1, sizeof(*c));
	unsigned int i;
	int ret = 0;

	if (!c)
		abort();
	memset(counts, 0, sizeof(*counts));
	c->t = t;
	c->counts = counts;
	c->why = why;
	c->why_size = why_size;
	for (i = 0; i < CONFORM_EVENTS; i++)
		c->event[i] = eventfd(0, EFD_NONBLOCK);
	while (!ret && counts->accesses < accesses)
		ret = one_region(c, seed++);
	for (i = 0; i < CONFORM_EVENTS; i++)
		close(c->event[i]);
	free(c);
	return ret;
}

unsigned long conform_env(const char *name, unsigned long otherwise)
{
	const char *value = getenv(name);

	return value && *value ? strtoul(value, NULL, 0) : otherwise;
}
