// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The JSON schema (draft 2020-12) of the file of --config, from the option
 * table.  It asks for no key, as the command line can give what the file does
 * not.
 *
 * jansson's functions take NULL for what could not be made, and fail: out of
 * memory is looked for only where something is put into something.
 */
#include "options.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "options_table.h"

#define MIB (1ULL << 20)
#define UUID_PATTERN "^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"

/* A text of the table as the JSON value that --print would show. */
static json_t *default_json(const struct opt *o)
{
	switch (o->kind) {
	case OPT_UINT:
		return json_integer(strtoll(o->def, NULL, 10));
	case OPT_BOOL:
	case OPT_COUNT:
		return json_boolean(!strcmp(o->def, "on"));
	default:
		return json_string(o->def);
	}
}

/* "a|b:PATH" as ^(a|b:.+)$ */
static json_t *words_pattern(const char *words)
{
	char text[256] = "^(";
	const char *word, *colon;
	size_t used = 2, len;

	while ((word = opt_next_word(&words, &len))) {
		colon = memchr(word, ':', len);
		if (colon)
			len = colon + 1 - word;
		used += snprintf(text + used, sizeof(text) - used, "%s%.*s%s",
				 used > 2 ? "|" : "", (int)len, word,
				 colon ? ".+" : "");
		if (used >= sizeof(text))
			return NULL;
	}
	return json_sprintf("%s)$", text);
}

static json_t *words_enum(const char *words)
{
	json_t *list = json_array();
	const char *word;
	size_t len;

	while ((word = opt_next_word(&words, &len)))
		if (json_array_append_new(list, json_stringn(word, len))) {
			json_decref(list);
			return NULL;
		}
	return list;
}

static json_t *string_schema(const struct opt *o)
{
	json_t *s;

	if (o->words && !strchr(o->words, ':'))
		return json_pack("{s:o}", "enum", words_enum(o->words));
	s = json_pack("{s:s}", "type", "string");
	if (o->words &&
	    json_object_set_new(s, "pattern", words_pattern(o->words)))
		goto err_free;
	if (o->printable &&
	    json_object_set_new(s, "pattern", json_string("^[ -~]*$")))
		goto err_free;
	if (o->uuid &&
	    json_object_set_new(s, "pattern", json_string(UUID_PATTERN)))
		goto err_free;
	if (o->min && json_object_set_new(s, "minLength", json_integer(o->min)))
		goto err_free;
	if (o->max && json_object_set_new(s, "maxLength", json_integer(o->max)))
		goto err_free;
	return s;

err_free:
	json_decref(s);
	return NULL;
}

/* Any kind but a group. */
static json_t *scalar_schema(const struct opt *o)
{
	switch (o->kind) {
	case OPT_STRING:
		return string_schema(o);
	case OPT_UINT:
		return json_pack("{s:[s,s], s:I, s:I, s:s}", "type", "integer",
				 "string", "minimum", (json_int_t)o->min,
				 "maximum", (json_int_t)o->max, "pattern",
				 "^[0-9]+$");
	case OPT_SIZE: /* a number is in MiB */
		return json_pack("{s:[s,s], s:I, s:I, s:I, s:s}", "type",
				 "integer", "string", "minimum",
				 (json_int_t)((o->min + MIB - 1) / MIB),
				 "maximum", (json_int_t)(o->max / MIB),
				 "multipleOf",
				 (json_int_t)(o->min > MIB ? o->min / MIB : 1),
				 "pattern", "^[0-9]+[KMGTkmgt]?$");
	case OPT_ENUM:
		return json_pack("{s:o}", "enum", words_enum(o->words));
	case OPT_COUNT:
		return json_pack("{s:[s,s,s], s:I, s:I, s:s}", "type",
				 "boolean", "integer", "string", "minimum",
				 (json_int_t)o->min, "maximum",
				 (json_int_t)o->max, "pattern",
				 "^(on|off|[0-9]+)$");
	default: /* OPT_BOOL */
		return json_pack("{s:[b,b,s,s]}", "enum", true, false, "on",
				 "off");
	}
}

/* @schema, which it takes, with what the help says. */
static json_t *told(json_t *schema, const struct opt *o)
{
	if (!schema ||
	    json_object_set_new(schema, "description", json_string(o->help)))
		goto err_free;
	if (o->def && json_object_set_new(schema, "default", default_json(o)))
		goto err_free;
	return schema;

err_free:
	json_decref(schema);
	return NULL;
}

static json_t *members_schema(const struct opt *table);

/* One group: its first member's value alone, or an object. */
static json_t *group_schema(const struct opt *o)
{
	return json_pack("{s:[o,o]}", "anyOf", scalar_schema(o->sub),
			 members_schema(o->sub));
}

static json_t *list_schema(const struct opt *o)
{
	json_t *items = json_pack("{s:s, s:o, s:i}", "type", "array", "items",
				  group_schema(o), "maxItems", o->limit);

	return json_pack("{s:[o,o,o]}", "anyOf", scalar_schema(o->sub),
			 members_schema(o->sub), items);
}

static json_t *option_schema(const struct opt *o)
{
	if (o->kind != OPT_GROUP)
		return told(scalar_schema(o), o);
	return told(o->stride ? list_schema(o) : group_schema(o), o);
}

/* An object that may have the members of @table and no other. */
static json_t *members_schema(const struct opt *table)
{
	json_t *members = json_object(), *required = json_array(), *schema;
	const struct opt *o;

	for (o = table; o->name; o++) {
		if (o->kind >= OPT_FLAG)
			continue;
		if (json_object_set_new(members, o->name, option_schema(o)))
			goto err_free;
		if (o->required && table != vm_options &&
		    json_array_append_new(required, json_string(o->name)))
			goto err_free;
	}
	schema = json_pack("{s:s, s:o, s:b}", "type", "object", "properties",
			   members, "additionalProperties", false);
	if (!schema || (json_array_size(required) &&
			json_object_set(schema, "required", required))) {
		json_decref(schema);
		schema = NULL;
	}
	json_decref(required);
	return schema;

err_free:
	json_decref(members);
	json_decref(required);
	return NULL;
}

json_t *options_schema(void)
{
	json_t *schema, *members = members_schema(vm_options), *editors;

	schema = json_pack("{s:s, s:s, s:s}", "$schema",
			   "https://json-schema.org/draft/2020-12/schema",
			   "title", "A virtual machine of vireo", "description",
			   "What vireo run --config reads; see vireo(1)");
	editors = json_pack("{s:s}", "type", "string");
	if (json_object_set_new(json_object_get(members, "properties"),
				"$schema", editors) ||
	    json_object_update(schema, members)) {
		json_decref(schema);
		schema = NULL;
	}
	json_decref(members);
	return schema;
}
