// SPDX-License-Identifier: GPL-2.0-or-later
/* Configurations as JSON: the names of the table are the keys. */
#include "options.h"

#include <errno.h>
#include <limits.h>
#include <jansson.h>
#include <stdbool.h>
#include <string.h>

#include "config.h"
#include "error.h"
#include "options_table.h"

static int set_json_scalar(const struct opt *o, void *base, json_t *value,
			   struct error *err)
{
	const char *text = NULL;
	char num[24];
	int ret;

	if (json_is_string(value)) {
		text = json_string_value(value);
	} else if (json_is_integer(value) &&
		   (o->kind == OPT_UINT || o->kind == OPT_SIZE ||
		    o->kind == OPT_COUNT)) {
		snprintf(num, sizeof(num), "%" JSON_INTEGER_FORMAT,
			 json_integer_value(value));
		text = num;
	} else if (json_is_boolean(value) &&
		   (o->kind == OPT_BOOL || o->kind == OPT_COUNT)) {
		text = json_is_true(value) ? "on" : "off";
	}
	if (!text)
		return error_set(err, EINVAL, "%s: must be %s", o->name,
				 o->kind == OPT_BOOL ?
					 "true or false" :
				 o->kind == OPT_COUNT ?
					 "true, false or a number" :
				 o->kind == OPT_UINT ? "a number" :
				 o->kind == OPT_SIZE ? "a number or a string" :
						       "a string");
	ret = opt_set(o, base, text, err);
	if (ret)
		error_prefix(err, "%s %.64s", o->name, text);
	return ret;
}

static int set_json_group(const struct opt *o, struct config *cfg,
			  json_t *value, struct error *err)
{
	const struct opt *sub;
	const char *key;
	json_t *member;
	void *elem;
	int ret;

	ret = opt_open_group(o, cfg, &elem, err);
	if (ret)
		return ret;
	if (!json_is_object(value))
		return set_json_scalar(o->sub, elem, value, err);
	json_object_foreach(value, key, member) {
		sub = opt_find(o->sub, key);
		if (!sub)
			return opt_unknown(o->sub, "key", "", key, err);
		ret = set_json_scalar(sub, elem, member, err);
		if (ret)
			return ret;
	}
	return opt_check_required(o->sub, "", elem, err);
}

static int set_json(const struct opt *o, struct config *cfg, json_t *value,
		    struct error *err)
{
	json_t *item;
	size_t i;
	int ret = 0;

	if (o->kind != OPT_GROUP)
		return set_json_scalar(o, cfg, value, err);
	if (o->stride)
		opt_list_clear(o, cfg);
	if (o->stride && json_is_array(value)) {
		json_array_foreach(value, i, item) {
			ret = set_json_group(o, cfg, item, err);
			if (ret)
				break;
		}
	} else {
		ret = set_json_group(o, cfg, value, err);
	}
	if (ret)
		error_prefix(err, "%s", o->name);
	return ret;
}

int options_load_json(struct config *cfg, const char *path, struct error *err)
{
	const struct opt *o;
	json_error_t why;
	json_t *root, *value;
	const char *key;
	FILE *file;
	int ret;

	file = fopen(path, "re");
	if (!file)
		return error_sys(err, errno, "cannot open %.128s", path);
	root = json_loadf(file, JSON_REJECT_DUPLICATES, &why);
	fclose(file);
	if (!root)
		return error_set(err, EINVAL, "%.128s:%d: %s", path, why.line,
				 why.text);
	ret = 0;
	if (!json_is_object(root))
		ret = error_set(err, EINVAL, "must be one JSON object");
	json_object_foreach(root, key, value) {
		if (!strcmp(key, "$schema")) /* for editors */
			continue;
		o = opt_find(vm_options, key);
		if (!o || o->kind >= OPT_FLAG)
			ret = opt_unknown(vm_options, "key", "", key, err);
		else
			ret = set_json(o, cfg, value, err);
		if (ret)
			break;
	}
	json_decref(root);
	if (ret)
		error_prefix(err, "%.128s", path);
	return ret;
}

/* ---- the other way ---- */

/* In the largest unit in which it is a whole number; all sizes are in KiB. */
static json_t *size_json(uint64_t bytes)
{
	const char *unit = "KMGT";

	for (bytes >>= 10; bytes && bytes % 1024 == 0 && unit[1]; bytes >>= 10)
		unit++;
	return json_sprintf("%llu%c", (unsigned long long)bytes, *unit);
}

/* Any kind but a group; what is not set is null. */
static json_t *scalar_json(const struct opt *o, const void *base)
{
	const void *member = (const char *)base + o->offset;
	const char *words = o->words, *word, *text;
	unsigned int i;
	size_t len;

	switch (o->kind) {
	case OPT_STRING:
		text = *(char *const *)member;
		return text ? json_string(text) : json_null();
	case OPT_UINT:
		if (o->present &&
		    !*(const bool *)((const char *)base + o->present))
			return json_null();
		/* No default, and 0 is none that could be given. */
		if (!o->def && o->min && !*(const unsigned int *)member)
			return json_null();
		return json_integer(*(const unsigned int *)member);
	case OPT_COUNT:
		i = *(const unsigned int *)member;
		return i && i != UINT_MAX ? json_integer(i) :
					    json_boolean(i != 0);
	case OPT_SIZE:
		if (!o->def && !*(const uint64_t *)member)
			return json_null();
		return size_json(*(const uint64_t *)member);
	case OPT_ENUM:
		word = opt_next_word(&words, &len);
		for (i = *(const unsigned int *)member; i; i--)
			word = opt_next_word(&words, &len);
		return json_stringn(word, len);
	default: /* OPT_BOOL */
		return json_boolean(*(const bool *)member);
	}
}

static json_t *group_json(const struct opt *o, const void *elem)
{
	json_t *obj = json_object(), *value;
	const struct opt *sub;

	for (sub = o->sub; sub->name; sub++) {
		value = scalar_json(sub, elem);
		if (json_is_null(value) && sub->required) {
			json_decref(obj);
			return value; /* the group was not given */
		}
		if (json_is_null(value))
			continue;
		/* The value is taken even if it fails, also NULL. */
		if (json_object_set_new(obj, sub->name, value)) {
			json_decref(obj);
			return NULL;
		}
	}
	return obj;
}

static json_t *list_json(const struct opt *o, const struct config *cfg)
{
	const char *elem = (const char *)cfg + o->offset;
	json_t *list = json_array();
	unsigned int i, count;

	count = *(const unsigned int *)((const char *)cfg + o->count);
	for (i = 0; i < count; i++, elem += o->stride) {
		if (json_array_append_new(list, group_json(o, elem))) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}

static json_t *option_json(const struct opt *o, const struct config *cfg)
{
	if (o->kind != OPT_GROUP)
		return scalar_json(o, cfg);
	if (o->stride)
		return list_json(o, cfg);
	if (o->present && !*(const bool *)((const char *)cfg + o->present))
		return json_null();
	return group_json(o, (const char *)cfg + o->offset);
}

json_t *options_to_json(const struct config *cfg)
{
	json_t *obj = json_object(), *value;
	const struct opt *o;

	for (o = vm_options; o->name; o++) {
		if (o->kind >= OPT_FLAG)
			continue;
		value = option_json(o, cfg);
		if (json_is_null(value))
			continue;
		if (json_object_set_new(obj, o->name, value)) {
			json_decref(obj);
			return NULL;
		}
	}
	return obj;
}
