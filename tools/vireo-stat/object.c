// SPDX-License-Identifier: GPL-2.0-or-later
#include "object.h"

#include <stdlib.h>
#include <string.h>

/* Room for one more, zeroed, in an array whose size is known by its count. */
static void *grow(void *array, size_t *count, size_t size)
{
	void **elements = array;
	size_t n = *count;
	char *bigger;

	/* Full at powers of two. */
	if (!(n & (n - 1))) {
		bigger = reallocarray(*elements, n ? n * 2 : 1, size);
		if (!bigger)
			return NULL;
		*elements = bigger;
	}
	*count = n + 1;
	return memset((char *)*elements + n * size, 0, size);
}

struct object *object_add(struct object *parent, enum object_kind kind,
			  const char *id, const char *name)
{
	struct object *o =
		grow(&parent->children, &parent->nr_children, sizeof(*o));

	if (!o)
		return NULL;
	o->kind = kind;
	o->id = strdup(id);
	o->name = strdup(name);
	if (o->id && o->name)
		return o;
	object_clear(o);
	parent->nr_children--;
	return NULL;
}

struct text *object_add_text(struct object *o, const char *name,
			     const char *value)
{
	struct text *t = grow(&o->texts, &o->nr_texts, sizeof(*t));

	if (!t)
		return NULL;
	t->name = strdup(name);
	t->value = strdup(value);
	if (t->name && t->value)
		return t;
	free(t->name);
	free(t->value);
	o->nr_texts--;
	return NULL;
}

struct number *object_add_number(struct object *o, enum source source,
				 const char *name, uint64_t value, bool gauge)
{
	struct number *n = grow(&o->numbers, &o->nr_numbers, sizeof(*n));

	if (!n)
		return NULL;
	n->name = strdup(name);
	if (!n->name) {
		o->nr_numbers--;
		return NULL;
	}
	n->source = source;
	n->value = value;
	n->gauge = gauge;
	return n;
}

struct histogram *object_add_histogram(struct object *o, const char *name)
{
	struct histogram *h =
		grow(&o->histograms, &o->nr_histograms, sizeof(*h));

	if (!h)
		return NULL;
	h->name = strdup(name);
	if (h->name)
		return h;
	o->nr_histograms--;
	return NULL;
}

struct bucket *histogram_add(struct histogram *h, uint64_t low, uint64_t high,
			     uint64_t count)
{
	struct bucket *b = grow(&h->buckets, &h->nr_buckets, sizeof(*b));

	if (b) {
		b->low = low;
		b->high = high;
		b->count = count;
	}
	return b;
}

struct object *object_child(const struct object *o, enum object_kind kind,
			    const char *id)
{
	for (size_t i = 0; i < o->nr_children; i++)
		if (o->children[i].kind == kind &&
		    !strcmp(o->children[i].id, id))
			return &o->children[i];
	return NULL;
}

const char *object_text(const struct object *o, const char *name)
{
	for (size_t i = 0; o && i < o->nr_texts; i++)
		if (!strcmp(o->texts[i].name, name))
			return o->texts[i].value;
	return NULL;
}

const struct number *object_number(const struct object *o, enum source source,
				   const char *name)
{
	for (size_t i = 0; i < o->nr_numbers; i++)
		if (o->numbers[i].source == source &&
		    !strcmp(o->numbers[i].name, name))
			return &o->numbers[i];
	return NULL;
}

static const struct histogram *find_histogram(const struct object *o,
					      const char *name)
{
	for (size_t i = 0; i < o->nr_histograms; i++)
		if (!strcmp(o->histograms[i].name, name))
			return &o->histograms[i];
	return NULL;
}

size_t object_count(const struct object *o, enum object_kind kind)
{
	size_t n = 0;

	for (size_t i = 0; i < o->nr_children; i++)
		n += o->children[i].kind == kind;
	return n;
}

bool object_has(const struct object *o, enum source source)
{
	for (size_t i = 0; i < o->nr_numbers; i++)
		if (o->numbers[i].source == source)
			return true;
	return false;
}

void object_clear(struct object *o)
{
	size_t i;

	for (i = 0; i < o->nr_texts; i++) {
		free(o->texts[i].name);
		free(o->texts[i].value);
	}
	for (i = 0; i < o->nr_numbers; i++)
		free(o->numbers[i].name);
	for (i = 0; i < o->nr_histograms; i++) {
		free(o->histograms[i].name);
		free(o->histograms[i].buckets);
	}
	/* Two levels deep: it ends. */
	for (i = 0; i < o->nr_children; i++)
		object_clear(&o->children[i]);
	free(o->texts);
	free(o->numbers);
	free(o->histograms);
	free(o->children);
	free(o->id);
	free(o->name);
	memset(o, 0, sizeof(*o));
}

void sample_clear(struct sample *s)
{
	object_clear(&s->host);
	memset(s, 0, sizeof(*s));
}

static uint64_t since(uint64_t now, uint64_t before)
{
	return now >= before ? now - before : now;
}

static uint64_t count_at(const struct histogram *h, uint64_t low)
{
	for (size_t i = 0; i < h->nr_buckets; i++)
		if (h->buckets[i].low == low)
			return h->buckets[i].count;
	return 0;
}

static void rate_histogram(struct histogram *now,
			   const struct histogram *before)
{
	for (size_t i = 0; i < now->nr_buckets; i++) {
		struct bucket *b = &now->buckets[i];

		b->delta = since(b->count, count_at(before, b->low));
	}
	now->rated = true;
}

static void rate_object(struct object *now, const struct object *before,
			double seconds)
{
	size_t i;

	for (i = 0; i < now->nr_numbers; i++) {
		struct number *n = &now->numbers[i];
		const struct number *b;

		/* Files keep their order: look where it was. */
		b = i < before->nr_numbers ? &before->numbers[i] : NULL;
		if (!b || b->source != n->source || strcmp(b->name, n->name))
			b = object_number(before, n->source, n->name);
		if (!b || n->gauge)
			continue;
		n->rate = (double)since(n->value, b->value) / seconds;
		n->rated = true;
	}
	for (i = 0; i < now->nr_histograms; i++) {
		struct histogram *h = &now->histograms[i];
		const struct histogram *b = find_histogram(before, h->name);

		if (b)
			rate_histogram(h, b);
	}
	for (i = 0; i < now->nr_children; i++) {
		struct object *o = &now->children[i];
		const struct object *b = object_child(before, o->kind, o->id);

		if (b)
			rate_object(o, b, seconds);
	}
}

void sample_rates(struct sample *now, const struct sample *before)
{
	double seconds = now->monotone - before->monotone;

	if (seconds <= 0)
		return;
	now->interval = seconds;
	rate_object(&now->host, &before->host, seconds);
}
