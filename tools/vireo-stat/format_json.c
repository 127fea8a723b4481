// SPDX-License-Identifier: GPL-2.0-or-later
/* JSON: the tree of objects as it is, one sample a line. */
#include <errno.h>
#include <jansson.h>

#include "format.h"

/* Numbers above what JSON's readers take for integers are rare, and reals. */
static json_t *number(uint64_t value)
{
	if (value > INT64_MAX)
		return json_real((double)value);
	return json_integer((json_int_t)value);
}

/* The jansson calls take over what they are given, and fail for NULL. */
static int put(json_t *to, const char *name, json_t *value)
{
	return json_object_set_new(to, name, value) ? -ENOMEM : 0;
}

static int put_texts(json_t *to, const struct object *o)
{
	int ret = 0;

	for (size_t i = 0; i < o->nr_texts && !ret; i++)
		ret = put(to, o->texts[i].name, json_string(o->texts[i].value));
	return ret;
}

/* @rates: only these, of the numbers that have one */
static json_t *numbers(const struct object *o, enum source source, bool rates)
{
	json_t *to = json_object();
	int ret = to ? 0 : -ENOMEM;

	for (size_t i = 0; i < o->nr_numbers && !ret; i++) {
		const struct number *n = &o->numbers[i];

		if (n->source != source || (rates && !n->rated))
			continue;
		ret = put(to, n->name,
			  rates ? json_real(n->rate) : number(n->value));
	}
	if (!ret)
		return to;
	json_decref(to);
	return NULL;
}

static json_t *bucket(const struct histogram *h, const struct bucket *b)
{
	json_t *to = json_object();
	int ret;

	ret = put(to, "from_ns", number(b->low));
	if (!ret && b->high != NO_END)
		ret = put(to, "to_ns", number(b->high));
	if (!ret)
		ret = put(to, "count", number(b->count));
	if (!ret && h->rated)
		ret = put(to, "delta", number(b->delta));
	if (!ret)
		return to;
	json_decref(to);
	return NULL;
}

static json_t *histograms(const struct object *o)
{
	json_t *to = json_object();
	int ret = to ? 0 : -ENOMEM;

	for (size_t i = 0; i < o->nr_histograms && !ret; i++) {
		const struct histogram *h = &o->histograms[i];
		json_t *list = json_array();

		ret = put(to, h->name, list);
		for (size_t j = 0; j < h->nr_buckets && !ret; j++)
			if (json_array_append_new(list,
						  bucket(h, &h->buckets[j])))
				ret = -ENOMEM;
	}
	if (!ret)
		return to;
	json_decref(to);
	return NULL;
}

static int put_numbers(json_t *to, const struct object *o)
{
	json_t *rates = NULL;
	bool rated = false;
	int ret = 0;

	for (size_t i = 0; i < o->nr_numbers; i++)
		rated |= o->numbers[i].rated;
	if (rated) {
		rates = json_object();
		ret = put(to, "rates", rates);
	}
	for (enum source s = 0; s < NR_SOURCES && !ret; s++) {
		if (!object_has(o, s))
			continue;
		ret = put(to, source_names[s], numbers(o, s, false));
		if (!ret && rated)
			ret = put(rates, source_names[s], numbers(o, s, true));
	}
	if (!ret && o->nr_histograms)
		ret = put(to, "histograms", histograms(o));
	return ret;
}

static json_t *object(const struct object *o);

static json_t *children(const struct object *o, enum object_kind kind)
{
	json_t *list = json_array();

	for (size_t i = 0; i < o->nr_children; i++) {
		if (o->children[i].kind != kind)
			continue;
		if (json_array_append_new(list, object(&o->children[i]))) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}

static json_t *object(const struct object *o)
{
	json_t *to = json_object();
	int ret = 0;

	/* First, so that nothing in a file takes the place of what is below. */
	ret = put_texts(to, o);
	if (!ret && o->kind != OBJECT_HOST)
		ret = put(to, "id", json_string(o->id));
	if (!ret && o->kind != OBJECT_HOST && o->kind != OBJECT_VCPU)
		ret = put(to, "name", json_string(o->name));
	if (!ret && o->kind == OBJECT_VM)
		ret = put(to, "pid", json_integer(o->pid));
	if (!ret)
		ret = put_numbers(to, o);
	if (!ret && o->kind == OBJECT_VM)
		ret = put(to, "regions", children(o, OBJECT_REGION));
	if (!ret && o->kind == OBJECT_VM)
		ret = put(to, "queues", children(o, OBJECT_QUEUE));
	if (!ret && o->kind == OBJECT_VM)
		ret = put(to, "vcpus", children(o, OBJECT_VCPU));
	if (!ret)
		return to;
	json_decref(to);
	return NULL;
}

int format_json(const struct sample *s, FILE *out)
{
	json_t *to = json_object();
	int ret;

	ret = put(to, "time", json_real(s->wall));
	if (!ret && s->interval > 0)
		ret = put(to, "interval", json_real(s->interval));
	if (!ret)
		ret = put(to, "host", object(&s->host));
	if (!ret)
		ret = put(to, "vms", children(&s->host, OBJECT_VM));
	if (!ret) {
		/* Its errors are those of @out. */
		json_dumpf(to, out, JSON_COMPACT | JSON_REAL_PRECISION(15));
		fputc('\n', out);
	}
	json_decref(to);
	return ret;
}
