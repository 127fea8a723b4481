// SPDX-License-Identifier: GPL-2.0-or-later
#include "schema.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "../error.h"
#include "qmp.h"

#define WORD_MAX 64
#define PATH_MAX_LEN 128

/* ---- reading descriptions ---------------------------------------------------- */

/* The next word of a description, "name?:type" taken apart; false at its end. */
struct word {
	char name[WORD_MAX];
	char type[WORD_MAX]; /* empty if there is no colon */
	bool optional;
};

static bool next_word(const char **text, struct word *w)
{
	const char *p = *text, *colon;
	size_t len, name;

	if (!p)
		return false;
	p += strspn(p, " ");
	len = strcspn(p, " ");
	if (!len)
		return false;
	colon = memchr(p, ':', len);
	name = colon ? (size_t)(colon - p) : len;
	w->optional = colon && name && p[name - 1] == '?';
	snprintf(w->name, sizeof(w->name), "%.*s",
		 (int)(name - (w->optional ? 1 : 0)), p);
	snprintf(w->type, sizeof(w->type), "%.*s",
		 colon ? (int)(len - name - 1) : 0, colon ? colon + 1 : "");
	*text = p + len;
	return true;
}

static bool find_word(const char *text, const char *name, struct word *w)
{
	while (next_word(&text, w))
		if (!strcmp(w->name, name))
			return true;
	return false;
}

static const struct schema_type *find_type(const char *name)
{
	const struct schema_type *t;

	for (t = schema_types; t->name; t++)
		if (!strcmp(t->name, name))
			return t;
	return NULL;
}

/* "[type]": its inside in @elem. */
static bool is_array(const char *type, char elem[WORD_MAX])
{
	size_t len = strlen(type);

	if (type[0] != '[')
		return false;
	snprintf(elem, WORD_MAX, "%.*s", (int)len - 2, type + 1);
	return true;
}

/* ---- checking arguments ------------------------------------------------------- */

static const char *const builtins[] = { "int",	"number", "str",
					"bool", "any",	  NULL };

static bool is_builtin(const char *type)
{
	size_t i;

	for (i = 0; builtins[i]; i++)
		if (!strcmp(builtins[i], type))
			return true;
	return false;
}

static int bad_type(const char *path, const char *expected, struct error *err)
{
	return error_set(err, EINVAL,
			 "Invalid parameter type for '%s', expected: %s", path,
			 expected);
}

/* Where a value is: "a[0].b", and the name of the member, "b". */
static int check_value(const char *type, json_t *value, const char *path,
		       const char *name, struct error *err);

static int check_members(const char *text, json_t *object, const char *prefix,
			 struct error *err)
{
	char path[PATH_MAX_LEN];
	struct word w;
	json_t *value;
	int rc;

	while (next_word(&text, &w)) {
		if (!*w.type)
			continue; /* "..." */
		snprintf(path, sizeof(path), "%s%s", prefix, w.name);
		value = json_object_get(object, w.name);
		if (!value && !w.optional)
			return error_set(err, EINVAL,
					 "Parameter '%s' is missing", path);
		if (!value)
			continue;
		rc = check_value(w.type, value, path, w.name, err);
		if (rc)
			return rc;
	}
	return 0;
}

static int unexpected(const char *prefix, const char *key, struct error *err)
{
	return error_set(err, EINVAL, "Parameter '%s%.64s' is unexpected",
			 prefix, key);
}

static int check_object(const struct schema_type *t, json_t *object,
			const char *prefix, struct error *err)
{
	const struct schema_type *variant = NULL;
	struct word w;
	const char *key;
	json_t *value;
	int rc;

	rc = check_members(t->text, object, prefix, err);
	if (rc)
		return rc;
	if (t->tag &&
	    find_word(t->variants,
		      json_string_value(json_object_get(object, t->tag)), &w)) {
		variant = find_type(w.type);
		rc = check_members(variant->text, object, prefix, err);
		if (rc)
			return rc;
	}
	if (find_word(t->text, "...", &w))
		return 0;
	json_object_foreach(object, key, value)
		if (!find_word(t->text, key, &w) &&
		    !(variant && find_word(variant->text, key, &w)))
			return unexpected(prefix, key, err);
	return 0;
}

static int check_array(const char *elem, json_t *array, const char *path,
		       struct error *err)
{
	char item_path[PATH_MAX_LEN];
	json_t *item;
	size_t i;
	int rc;

	if (!json_is_array(array))
		return bad_type(path, "array", err);
	json_array_foreach(array, i, item) {
		snprintf(item_path, sizeof(item_path), "%.100s[%zu]", path, i);
		rc = check_value(elem, item, item_path, "null", err);
		if (rc)
			return rc;
	}
	return 0;
}

/*
 * A string or an object: there is no argument of another kind.  It nests as deep
 * as what the parser of messages lets pass.
 */
static int check_alternate(const struct schema_type *t, json_t *value,
			   const char *path, const char *name,
			   struct error *err)
{
	const char *text = t->text;
	struct word w;

	while (next_word(&text, &w))
		if (json_is_string(value) == !strcmp(w.name, "str"))
			return check_value(w.name, value, path, name, err);
	return bad_type(path, t->name, err);
}

/* Its depth is that of the description, but where a type has itself in it. */
static int check_value(const char *type, json_t *value, const char *path,
		       const char *name, struct error *err)
{
	const struct schema_type *t;
	char elem[WORD_MAX], prefix[PATH_MAX_LEN];
	struct word w;

	if (is_array(type, elem))
		return check_array(elem, value, path, err);
	if (!strcmp(type, "int"))
		return json_is_integer(value) ? 0 :
						bad_type(path, "integer", err);
	if (!strcmp(type, "number"))
		return json_is_number(value) ? 0 :
					       bad_type(path, "number", err);
	if (!strcmp(type, "str"))
		return json_is_string(value) ? 0 :
					       bad_type(path, "string", err);
	if (!strcmp(type, "bool"))
		return json_is_boolean(value) ? 0 :
						bad_type(path, "boolean", err);
	t = find_type(type);
	if (!t) /* any */
		return 0;
	if (t->meta == SCHEMA_ENUM) {
		if (!json_is_string(value))
			return bad_type(path, "string", err);
		if (!find_word(t->text, json_string_value(value), &w))
			return error_set(
				err, EINVAL,
				"Parameter '%s' does not accept value '%.64s'",
				name, json_string_value(value));
		return 0;
	}
	if (t->meta == SCHEMA_ALTERNATE)
		return check_alternate(t, value, path, name, err);
	if (!json_is_object(value))
		return bad_type(path, "object", err);
	snprintf(prefix, sizeof(prefix), "%.120s.", path);
	return check_object(t, value, prefix, err);
}

int schema_check(const char *text, json_t *args, struct error *err)
{
	struct schema_type members = { .text = text };

	if (text && *text == '@')
		return check_object(find_type(text + 1), args, "", err);
	return check_object(&members, args, "", err);
}

/* ---- telling others ------------------------------------------------------------ */

struct introspection {
	json_t *list;
	json_t *seen; /* an object with the names of the types in it */
};

static void add_entry(struct introspection *in, json_t *entry)
{
	json_array_append_new(in->list, entry);
}

static void add_type(struct introspection *in, const char *type);

/* The name under which it stands there. */
static const char *ref(struct introspection *in, const char *type)
{
	add_type(in, type);
	return type;
}

static json_t *members_of(struct introspection *in, const char *text)
{
	json_t *list = json_array(), *member;
	struct word w;

	while (next_word(&text, &w)) {
		if (!*w.type)
			continue;
		member = json_pack("{s:s,s:s}", "name", w.name, "type",
				   ref(in, w.type));
		if (w.optional)
			json_object_set_new(member, "default", json_null());
		json_array_append_new(list, member);
	}
	return list;
}

/* A variant for each value of the tag, as QEMU has it. */
static json_t *variants_of(struct introspection *in,
			   const struct schema_type *t)
{
	json_t *list = json_array();
	const struct schema_type *tag;
	struct word member, value, variant;
	const char *values;

	if (!find_word(t->text, t->tag, &member))
		return list;
	tag = find_type(member.type);
	values = tag->text;
	while (next_word(&values, &value))
		json_array_append_new(list,
				      json_pack("{s:s,s:s}", "case", value.name,
						"type",
						ref(in, find_word(t->variants,
								  value.name,
								  &variant) ?
								variant.type :
								"q_empty")));
	return list;
}

static void add_object(struct introspection *in, const char *name,
		       const struct schema_type *t)
{
	json_t *entry = json_pack("{s:s,s:s,s:o}", "name", name, "meta-type",
				  "object", "members", members_of(in, t->text));

	if (t->tag) {
		json_object_set_new(entry, "tag", json_string(t->tag));
		json_object_set_new(entry, "variants", variants_of(in, t));
	}
	add_entry(in, entry);
}

static void add_enum(struct introspection *in, const struct schema_type *t)
{
	json_t *values = json_array(), *members = json_array();
	const char *text = t->text;
	struct word w;

	while (next_word(&text, &w)) {
		json_array_append_new(values, json_string(w.name));
		json_array_append_new(members,
				      json_pack("{s:s}", "name", w.name));
	}
	add_entry(in,
		  json_pack("{s:s,s:s,s:o,s:o}", "name", t->name, "meta-type",
			    "enum", "values", values, "members", members));
}

static void add_alternate(struct introspection *in, const struct schema_type *t)
{
	json_t *members = json_array();
	const char *text = t->text;
	struct word w;

	while (next_word(&text, &w))
		json_array_append_new(members, json_pack("{s:s}", "type",
							 ref(in, w.name)));
	add_entry(in, json_pack("{s:s,s:s,s:o}", "name", t->name, "meta-type",
				"alternate", "members", members));
}

static void add_builtin(struct introspection *in, const char *type)
{
	static const char *const json_types[] = { "int", "number", "string",
						  "boolean", "value" };
	size_t i;

	for (i = 0; strcmp(builtins[i], type) != 0; i++)
		;
	add_entry(in, json_pack("{s:s,s:s,s:s}", "name", type, "meta-type",
				"builtin", "json-type", json_types[i]));
}

static void add_type(struct introspection *in, const char *type)
{
	const struct schema_type *t;
	char elem[WORD_MAX];

	if (json_object_get(in->seen, type))
		return;
	json_object_set_new(in->seen, type, json_true());
	if (is_array(type, elem)) {
		add_entry(in,
			  json_pack("{s:s,s:s,s:s}", "name", type, "meta-type",
				    "array", "element-type", ref(in, elem)));
		return;
	}
	if (is_builtin(type)) {
		add_builtin(in, type);
		return;
	}
	t = find_type(type);
	switch (t->meta) {
	case SCHEMA_OBJECT:
		add_object(in, type, t);
		break;
	case SCHEMA_ENUM:
		add_enum(in, t);
		break;
	case SCHEMA_ALTERNATE:
		add_alternate(in, t);
		break;
	}
}

/* The object type of @text, which has no name but that of who uses it. */
static json_t *args_type(struct introspection *in, const char *owner,
			 const char *text)
{
	const struct schema_type t = { .meta = SCHEMA_OBJECT, .text = text };
	char name[WORD_MAX + 16];

	if (!text)
		return json_string(ref(in, "q_empty"));
	if (*text == '@')
		return json_string(ref(in, text + 1));
	snprintf(name, sizeof(name), "q_obj_%s-arg", owner);
	add_object(in, name, &t);
	return json_string(name);
}

json_t *schema_introspect(const struct qmp_command *commands)
{
	struct introspection in = { json_array(), json_object() };
	const struct schema_event *e;
	const struct qmp_command *c;
	json_t *entry;

	for (c = commands; c->name; c++) {
		entry = json_pack("{s:s,s:s,s:o,s:s}", "name", c->name,
				  "meta-type", "command", "arg-type",
				  args_type(&in, c->name, c->args), "ret-type",
				  ref(&in, c->ret ? c->ret : "q_empty"));
		if (c->oob)
			json_object_set_new(entry, "allow-oob", json_true());
		add_entry(&in, entry);
	}
	for (e = schema_events; e->name; e++)
		add_entry(&in, json_pack("{s:s,s:s,s:o}", "name", e->name,
					 "meta-type", "event", "arg-type",
					 args_type(&in, e->name, e->text)));
	json_decref(in.seen);
	return in.list;
}
