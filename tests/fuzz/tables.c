// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "../kselftest/common.h"
#include "tables.h"

int table_env_init(struct table_env *env, int dev)
{
	struct vireo_info info = { .size = sizeof(info) };
	int ret = IOCTL(dev, VIREO_INFO, &info);

	env->caps = info.caps;
	env->max_rules = info.max_rules;
	env->max_ring = info.max_ring;
	env->event = eventfd(0, EFD_NONBLOCK);
	return ret;
}

static bool type_known(const struct table_env *env, unsigned int type)
{
	return type >= 1 && type <= 32 && env->caps >> (type - 1) & 1;
}

static const uint16_t type_flags[] = {
	[VIREO_RULE_SHADOW] = VIREO_RULE_WRITE_THROUGH | VIREO_RULE_WRITE_DROP,
	[VIREO_RULE_CONST] = VIREO_RULE_WRITE_DROP,
	[VIREO_RULE_POST] = VIREO_RULE_READ_SHADOW | VIREO_RULE_WRITE_THROUGH,
	[VIREO_RULE_EVENT] = 0,
	[VIREO_RULE_INDEXED] = VIREO_RULE_READ_ONES | VIREO_RULE_NOT_EQUAL,
	[VIREO_RULE_CLOCK] = VIREO_RULE_WRITE_DROP,
	[VIREO_RULE_CLEAR] = VIREO_RULE_READ_CLEAR | VIREO_RULE_WRITE_ONE_CLEAR,
};

static uint32_t min32(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

uint32_t table_shadow_bytes(const struct table *t)
{
	uint32_t pages = t->add.shadow_pages;

	return (pages ? pages : 1) * VIREO_SHADOW_SIZE;
}

/* Bytes from @shadow on that a rule reaches, 0 if it has no shadow. */
static uint64_t reach(const struct vireo_rule *u)
{
	switch (u->type) {
	case VIREO_RULE_SHADOW:
	case VIREO_RULE_CLEAR:
		return u->len;
	case VIREO_RULE_POST:
		return u->flags ? u->len : 0;
	case VIREO_RULE_CLOCK:
		return 8;
	case VIREO_RULE_INDEXED:
		return u->flags & VIREO_RULE_READ_ONES ?
			       0 :
			       (uint64_t)u->index_mask + u->len;
	}
	return 0;
}

/* ---- making -------------------------------------------------------------- */

static void make_match(struct vireo_rule *u, struct rng *r)
{
	switch (rng_below(r, 3)) {
	case 0:
		u->mask = 0;
		break;
	case 1:
		u->mask = 0xff;
		break;
	default:
		u->mask = rng_next(r);
	}
	if (u->type == VIREO_RULE_INDEXED)
		u->mask &= 0xffffffff;
	u->value = rng_edge(r) & u->mask;
}

static void make_specific(struct vireo_rule *u, struct rng *r, uint32_t shadow,
			  const struct table_env *env)
{
	switch (u->type) {
	case VIREO_RULE_CONST:
		u->value = rng_next(r);
		break;
	case VIREO_RULE_EVENT:
		u->fd = env->event;
		make_match(u, r);
		break;
	case VIREO_RULE_INDEXED:
		u->index = 4 * rng_below(r, shadow / 4);
		make_match(u, r);
		if (!(u->flags & VIREO_RULE_READ_ONES))
			u->index_mask = rng_below(r, shadow - u->len + 1);
		break;
	case VIREO_RULE_CLOCK:
		u->value = 1 + rng_edge(r) % 999999999;
		u->mask = rng_next(r) | 1;
		break;
	case VIREO_RULE_CLEAR:
		u->fd = rng_one_in(r, 2) ? env->event : -1;
		break;
	}
}

static void make_rule(struct vireo_rule *u, struct rng *r,
		      const struct table *t, const struct table_env *env)
{
	uint32_t shadow = table_shadow_bytes(t);
	uint32_t max = min32(t->add.len, shadow);
	uint64_t room;

	memset(u, 0, sizeof(*u));
	do {
		u->type = 1 + rng_below(r, ARRAY_LEN(type_flags) - 1);
	} while (!type_known(env, u->type));
	u->flags = rng_next(r) & type_flags[u->type];
	if (u->flags & VIREO_RULE_WRITE_THROUGH)
		u->flags &= ~VIREO_RULE_WRITE_DROP;
	u->widths = rng_one_in(r, 4) ? rng_below(r, 16) : 0;

	if (rng_one_in(r, 3) || u->type == VIREO_RULE_CLOCK)
		max = min32(max, 8);
	u->len = rng_one_in(r, 2) ? max : 1 + rng_below(r, max);
	if (rng_one_in(r, 2))
		u->offset = rng_below(r, t->add.len - u->len + 1);
	if (u->flags & VIREO_RULE_WRITE_THROUGH && u->len <= 8 &&
	    rng_one_in(r, 2))
		u->mask = rng_next(r);
	make_specific(u, r, shadow, env);

	if (reach(u)) {
		room = shadow - reach(u);
		/* The very last byte is the one to get wrong. */
		u->shadow = rng_one_in(r, 2) ? room : rng_below(r, room + 1);
		if (u->type == VIREO_RULE_CLOCK || u->type == VIREO_RULE_CLEAR)
			u->shadow &= ~7U;
	}
}

static void make_range(struct vireo_io_add *add, struct rng *r)
{
	uint64_t base = TABLE_PIO, room = TABLE_PIO_LEN, max = 32;

	add->bus = rng_below(r, 2);
	if (add->bus == VIREO_BUS_MMIO) {
		base = TABLE_MMIO;
		room = TABLE_MMIO_DENSE;
		max = 64;
		if (rng_one_in(r, 4))
			max = room = TABLE_MMIO_LEN;
	}
	add->len = 1 + rng_below(r, max);
	add->addr = base + rng_below(r, room - add->len + 1);
	if (rng_one_in(r, 2))
		add->addr &= ~7ULL;
	if (add->bus == VIREO_BUS_MMIO && rng_one_in(r, 32)) {
		/* The ends of what there may be. */
		add->len = rng_one_in(r, 2) ? 1ULL << 30 : 1;
		add->addr = rng_one_in(r, 2) ? -1ULL - add->len : 1ULL << 40;
	}
}

void table_make(struct table *t, struct rng *r, const struct table_env *env)
{
	struct vireo_io_add *add = &t->add;
	bool posts = false;
	uint32_t i;

	memset(add, 0, sizeof(*add));
	add->size = sizeof(*add);
	add->rules = (uintptr_t)t->rule;
	add->ring_fd = -1;
	add->flags = rng_one_in(r, 8) ? VIREO_IO_DISABLED : 0;
	snprintf(add->name, sizeof(add->name), "fuzz%u",
		 (unsigned int)rng_below(r, 1000));
	make_range(add, r);
	if (rng_one_in(r, 4))
		add->shadow_pages = rng_below(r, VIREO_MAX_SHADOW_PAGES + 1);

	add->nr_rules = 1 + rng_below(r, rng_one_in(r, 8) ? env->max_rules : 6);
	for (i = 0; i < add->nr_rules; i++) {
		make_rule(&t->rule[i], r, t, env);
		posts |= t->rule[i].type == VIREO_RULE_POST;
	}
	if (posts) {
		add->ring_entries = 1U
				    << rng_below(r, rng_one_in(r, 16) ? 15 : 7);
		if (rng_one_in(r, 2))
			add->ring_fd = env->event;
	}
}

/* ---- spoiling ------------------------------------------------------------ */

/* Mostly just too much or too little. */
static uint32_t off_by(struct rng *r)
{
	switch (rng_below(r, 4)) {
	case 0:
		return rng_below(r, 17) - 8;
	case 1:
		return -1;
	}
	return 1;
}

static void spoil_rule(struct vireo_rule *u, struct rng *r)
{
	uint32_t *word = (uint32_t *)u + rng_below(r, sizeof(*u) / 4);

	switch (rng_below(r, 8)) {
	case 0:
		u->type = rng_below(r, 10);
		break;
	case 1:
		u->flags ^= 1U << rng_below(r, 16);
		break;
	case 2:
		u->shadow += off_by(r);
		break;
	case 3:
		u->offset += off_by(r);
		break;
	case 4:
		u->len += off_by(r);
		break;
	case 5:
		u->index_mask += off_by(r);
		break;
	case 6:
		*word = rng_edge(r);
		break;
	default:
		*word ^= 1U << rng_below(r, 32);
	}
}

static void spoil_add(struct vireo_io_add *add, struct rng *r)
{
	switch (rng_below(r, 9)) {
	case 0:
		add->flags = rng_edge(r);
		break;
	case 1:
		add->bus = rng_edge(r);
		break;
	case 2:
		add->nr_rules = rng_below(r, TABLE_MAX_RULES + 1);
		break;
	case 3:
		add->addr = rng_edge(r);
		break;
	case 4:
		add->len = rng_edge(r);
		break;
	case 5:
		add->ring_entries = rng_edge(r);
		break;
	case 6:
		add->ring_fd = (int)rng_below(r, 64) - 2;
		break;
	case 7:
		add->name[rng_below(r, sizeof(add->name))] = rng_next(r);
		break;
	default:
		add->shadow_pages = rng_edge(r);
	}
}

void table_spoil(struct table *t, struct rng *r)
{
	do {
		if (rng_one_in(r, 3))
			spoil_add(&t->add, r);
		else if (t->add.nr_rules)
			spoil_rule(&t->rule[rng_below(r, t->add.nr_rules)], r);
	} while (rng_one_in(r, 3));
}

/* ---- judging ------------------------------------------------------------- */

static bool is_eventfd(int fd)
{
	char path[40], link[40];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	n = readlink(path, link, sizeof(link));
	return n == 20 && !memcmp(link, "anon_inode:[eventfd]", 20);
}

static bool numbers_valid(const struct vireo_rule *u)
{
	bool indexed = u->type == VIREO_RULE_INDEXED;
	bool through = u->flags & VIREO_RULE_WRITE_THROUGH;

	switch (u->type) {
	case VIREO_RULE_CONST:
		break;
	case VIREO_RULE_EVENT:
	case VIREO_RULE_INDEXED:
		if (u->value & ~u->mask || (indexed && u->mask >> 32))
			return false;
		break;
	case VIREO_RULE_CLOCK:
		if (!u->value || u->value > 999999999 || !u->mask || u->len > 8)
			return false;
		break;
	default:
		if (u->value)
			return false;
	}
	if (u->type == VIREO_RULE_SHADOW || u->type == VIREO_RULE_POST) {
		if (u->mask && (!through || u->len > 8))
			return false;
	} else if (u->type == VIREO_RULE_CONST || u->type == VIREO_RULE_CLEAR) {
		if (u->mask)
			return false;
	}
	return true;
}

static bool shadow_valid(const struct vireo_rule *u, uint32_t bytes)
{
	bool indexed = u->type == VIREO_RULE_INDEXED;
	bool aligned = u->type == VIREO_RULE_CLOCK ||
		       u->type == VIREO_RULE_CLEAR;

	if (!reach(u) ? u->shadow : u->shadow + reach(u) > bytes)
		return false;
	if (aligned && u->shadow % 8)
		return false;
	if (!indexed)
		return !u->index && !u->index_mask;
	if (u->flags & VIREO_RULE_READ_ONES && u->index_mask)
		return false;
	return u->index % 4 == 0 && u->index < bytes;
}

static bool rule_valid(const struct vireo_rule *u, const struct table *t,
		       const struct table_env *env)
{
	const uint16_t both = VIREO_RULE_WRITE_THROUGH | VIREO_RULE_WRITE_DROP;

	if (!type_known(env, u->type) || u->type >= ARRAY_LEN(type_flags) ||
	    u->flags & ~type_flags[u->type] || (u->flags & both) == both ||
	    u->widths > 15)
		return false;
	if (!u->len || (uint64_t)u->offset + u->len > t->add.len)
		return false;
	if (u->reserved[0] || u->reserved[1] || u->reserved[2])
		return false;
	if (u->type == VIREO_RULE_EVENT && !is_eventfd(u->fd))
		return false;
	if (u->type == VIREO_RULE_CLEAR && u->fd != -1 && !is_eventfd(u->fd))
		return false;
	if (u->type != VIREO_RULE_EVENT && u->type != VIREO_RULE_CLEAR && u->fd)
		return false;
	return numbers_valid(u) && shadow_valid(u, table_shadow_bytes(t));
}

static bool name_valid(const char *name)
{
	int i;

	for (i = 0; i < 32 && name[i]; i++)
		if (name[i] <= ' ' || name[i] > '~')
			return false;
	return i && i < 32;
}

bool table_valid(const struct table *t, const struct table_env *env)
{
	const struct vireo_io_add *add = &t->add;
	bool posts = false;
	uint32_t i;

	if (add->flags & ~VIREO_IO_DISABLED || add->bus > VIREO_BUS_MMIO ||
	    !add->len || add->len > 1ULL << 30 || !add->nr_rules ||
	    add->nr_rules > env->max_rules || !name_valid(add->name) ||
	    add->shadow_pages > VIREO_MAX_SHADOW_PAGES)
		return false;
	if (add->bus == VIREO_BUS_PIO &&
	    (add->addr > 0x10000 || add->addr + add->len > 0x10000))
		return false;
	if (add->addr + add->len < add->addr)
		return false;

	for (i = 0; i < add->nr_rules; i++) {
		if (!rule_valid(&t->rule[i], t, env))
			return false;
		posts |= t->rule[i].type == VIREO_RULE_POST;
	}
	if (!posts)
		return !add->ring_entries && add->ring_fd == -1;
	return add->ring_entries && add->ring_entries <= env->max_ring &&
	       !(add->ring_entries & (add->ring_entries - 1)) &&
	       (add->ring_fd == -1 || is_eventfd(add->ring_fd));
}

bool table_changes(const struct table *t, uint32_t shadow)
{
	const struct vireo_rule *u;
	uint32_t i;

	for (i = 0; i < t->add.nr_rules; i++) {
		u = &t->rule[i];
		if (u->type != VIREO_RULE_CLEAR &&
		    !(u->flags & VIREO_RULE_WRITE_THROUGH))
			continue;
		if (shadow >= u->shadow && shadow - u->shadow < u->len)
			return true;
	}
	return false;
}
