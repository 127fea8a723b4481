// SPDX-License-Identifier: GPL-2.0-or-later
#include "throttle.h"

#include <string.h>

#define NS 1000000000ULL

typedef unsigned __int128 level;

void throttle_init(struct throttle *t)
{
	memset(t, 0, sizeof(*t));
	pthread_mutex_init(&t->lock, NULL);
}

void throttle_destroy(struct throttle *t)
{
	pthread_mutex_destroy(&t->lock);
}

void throttle_set(struct throttle *t, const struct throttle_limit *limits)
{
	bool on = false;
	unsigned int i;

	pthread_mutex_lock(&t->lock);
	for (i = 0; i < THROTTLE_KINDS; i++) {
		t->limits[i] = limits[i];
		t->levels[i] = 0;
		on |= limits[i].rate != 0;
	}
	__atomic_store_n(&t->on, on, __ATOMIC_RELAXED);
	pthread_mutex_unlock(&t->lock);
}

void throttle_get(struct throttle *t, struct throttle_limit *limits)
{
	pthread_mutex_lock(&t->lock);
	memcpy(limits, t->limits, sizeof(t->limits));
	pthread_mutex_unlock(&t->lock);
}

static level capacity(const struct throttle_limit *limit)
{
	uint64_t burst = limit->burst ? limit->burst : limit->rate / 10;

	return (level)(burst ? burst : 1) * NS;
}

static void leak(struct throttle *t, uint64_t now)
{
	unsigned int i;
	uint64_t ns;
	level out;

	if (now <= t->since)
		return; /* another thread looked at its clock later */
	ns = now - t->since;
	t->since = now;
	for (i = 0; i < THROTTLE_KINDS; i++) {
		out = (level)ns * t->limits[i].rate;
		t->levels[i] -= out < t->levels[i] ? out : t->levels[i];
	}
}

static bool concerns(unsigned int kind, bool write)
{
	switch (kind) {
	case THROTTLE_OPS_READ:
	case THROTTLE_BYTES_READ:
		return !write;
	case THROTTLE_OPS_WRITE:
	case THROTTLE_BYTES_WRITE:
		return write;
	default:
		return true;
	}
}

/* The ns until bucket @i has room, 0 if it has. */
static uint64_t time_to_room(const struct throttle *t, unsigned int i)
{
	level full = capacity(&t->limits[i]), ns;

	if (!t->limits[i].rate || t->levels[i] < full)
		return 0;
	ns = (t->levels[i] - full) / t->limits[i].rate + 1;
	return ns > UINT64_MAX ? UINT64_MAX : (uint64_t)ns;
}

uint64_t throttle_ask(struct throttle *t, uint64_t now, bool write,
		      uint64_t bytes)
{
	uint64_t wait = 0, ns;
	unsigned int i;

	pthread_mutex_lock(&t->lock);
	leak(t, now);
	for (i = 0; i < THROTTLE_KINDS; i++) {
		ns = concerns(i, write) ? time_to_room(t, i) : 0;
		if (ns > wait)
			wait = ns;
	}
	for (i = 0; !wait && i < THROTTLE_KINDS; i++)
		if (t->limits[i].rate && concerns(i, write))
			t->levels[i] +=
				(level)(i >= THROTTLE_BYTES ? bytes : 1) * NS;
	pthread_mutex_unlock(&t->lock);
	return wait;
}
